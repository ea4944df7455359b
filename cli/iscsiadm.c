/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include "cli/iscsiadm.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

int iscsiadm_complain(struct iscsiadm *run, enum error_code code, const char *format, ...)
{
	va_list arguments;

	fputs("iscsiadm: ", run->err);
	va_start(arguments, format);
	vfprintf(run->err, format, arguments);
	va_end(arguments);
	fputc('\n', run->err);
	return error_exit_status(code);
}

static int report_unreachable(struct iscsiadm *run)
{
	iscsiadm_complain(run, ERROR_NOT_CONNECTED,
			  "hawserd is not running and could not be started; "
			  "see 'systemctl status hawserd.service'");
	return iscsiadm_complain(run, ERROR_NOT_CONNECTED, "can not connect to iSCSI daemon (%d)!",
				 ECONNREFUSED);
}

int iscsiadm_report(struct iscsiadm *run, const struct error *error)
{
	const char *text = error->text ? error->text : error_summary(error->code);

	if (error->code == ERROR_NOT_CONNECTED)
		return report_unreachable(run);
	if (error->code == ERROR_ACCESS_DENIED)
		return iscsiadm_complain(run, error->code, "initiator reported error (%d - %s)",
					 error_exit_status(error->code),
					 error_summary(error->code));
	while (*text) {
		int length = (int)strcspn(text, "\n");

		iscsiadm_complain(run, error->code, "%.*s", length, text);
		text += length;
		text += *text == '\n';
	}
	return error_exit_status(error->code);
}

int iscsiadm_connect(struct iscsiadm *run)
{
	owned_error struct error error = ERROR_INIT;

	if (run->client || client_open(&run->client, &error) == 0)
		return 0;
	return iscsiadm_report(run, &error);
}

void tally_add(struct tally *tally, enum error_code code)
{
	if (code == ERROR_NONE)
		return;
	if (tally->first == ERROR_NONE)
		tally->first = code;
	tally->last = code;
}

int iscsiadm_first_step(struct iscsiadm *run, const struct step *steps)
{
	while (steps->wanted && !steps->wanted(&run->options))
		steps++;
	return steps->run(run);
}

/* No kernel driver, so no host: what it prints without one is right. */
static int host_mode(struct iscsiadm *run)
{
	if (run->options.submode != SUBMODE_NONE)
		return iscsiadm_complain(run, ERROR_NOT_SUPPORTED,
					 "there is no offload host: operation not supported");
	if (run->options.print_level > 4)
		return iscsiadm_complain(run, ERROR_INVALID_ARGUMENT,
					 "Invalid info level %d. Try 0 - 4.",
					 run->options.print_level);
	return iscsiadm_complain(run, ERROR_NO_OBJECTS_FOUND, "No iSCSI hosts.");
}

static int (*const modes[MODE_COUNT])(struct iscsiadm *run) = {
	[MODE_DISCOVERY] = iscsiadm_discovery,
	[MODE_DISCOVERYDB] = iscsiadm_discoverydb,
	[MODE_NODE] = iscsiadm_node,
	[MODE_SESSION] = iscsiadm_session,
	[MODE_IFACE] = iscsiadm_iface,
	[MODE_FW] = iscsiadm_fw,
	[MODE_HOST] = host_mode,
};

/* What was asked of the daemon goes on there; only the waiting ends. */
static void on_interrupt(int signal)
{
	static const char text[] = "iscsiadm: interrupted; what was started may still complete\n";

	if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
		_exit(2);
	_exit(1);
}

int iscsiadm_main(int argc, char **argv)
{
	struct iscsiadm run = {.out = stdout, .err = stderr};
	struct sigaction action = {.sa_handler = on_interrupt};
	int status;

	umask(0077);
	sigaction(SIGINT, &action, NULL);
	status = options_parse(argc, argv, stdout, stderr, &run.options);
	if (status == OPTIONS_RUN)
		status = modes[run.options.mode](&run);
	client_close(run.client);
	if (fflush(stdout) != 0 && status == 0)
		status = iscsiadm_complain(&run, ERROR_FAILED, "cannot write: %s", strerror(errno));
	return status;
}
