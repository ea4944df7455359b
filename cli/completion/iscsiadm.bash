# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: Hawser developers
# bash completion for iscsiadm(8)

_iscsiadm()
{
	local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} words=

	COMPREPLY=()
	case $previous in
	-m | --mode) words="discovery discoverydb node session iface fw host" ;;
	-o | --op) words="new delete update show nonpersistent apply" ;;
	-I | --interface) words=$(iscsiadm -m iface 2>/dev/null | cut -d" " -f1) ;;
	-t | --type) words="sendtargets st isns fw" ;;
	-L | --loginall) words="all automatic manual onboot" ;;
	-U | --logoutall) words="all automatic manual" ;;
	-T | --targetname) words=$(iscsiadm -m node 2>/dev/null | cut -d' ' -f2 | sort -u) ;;
	-p | --portal) words=$(iscsiadm -m node 2>/dev/null | cut -d, -f1 | sort -u) ;;
	-r | --sid) words=$(iscsiadm -m session 2>/dev/null | cut -d' ' -f2 | tr -d '[]') ;;
	-P | --print) words="0 1 2 3" ;;
	*)
		words="--mode --portal --targetname --interface --op --type --name --value --sid
			--rescan --print --discover --login --loginall --logout --logoutall --stats
			--show --no_wait --debug --version --help"
		;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
	if declare -F __ltrim_colon_completions >/dev/null; then
		__ltrim_colon_completions "$word"
	fi
}

complete -F _iscsiadm iscsiadm
