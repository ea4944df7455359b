/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scsi/inquiry.h"
#include "util/cleanup.h"
#include "util/text.h"

/* What tgt 1.0.85 answers, taken off the wire. */
#define TGT_STANDARD \
	"000005123d00000249455420202020205649525455414c2d4449534b202020203030303100000000" \
	"00000000000000000000000000000000000004c0096003000000"
#define TGT_CONTROLLER \
	"0c0005123d0000024945542020202020436f6e74726f6c6c65722020202020203030303100000000" \
	"00000000000000000000000000000000000004c0096001fb0000"
#define TGT_PAGES "00000006008083b0b1b2"
#define TGT_SERIAL \
	"00800024202020202020202020202020202020202020202020202020202020202020626561663131"
#define TGT_IDENTIFICATION \
	"00830048020100244945542020202020303030313030303100000000000000000000000000000000" \
	"000000000103000830000001000000010103001060000000000000000e00000000010001"
#define TGT_BLOCK_LIMITS \
	"00b0003c008000000000000000000000000000000000000000000000000000000000000000000000" \
	"000000000000000000000000000000000000000000000000"
#define TGT_PROVISIONING "00b2000400000000"

/* A disk as LIO lays out its pages: NAA, T10, port numbers, name of the port. */
#define LIO_STANDARD "000005021f3000024c494f2d4f5247206469736b302020202020202020202020342e3020"
#define LIO_IDENTIFICATION \
	"0083008f" \
	"0103001060014050123456789abcdef012345678" \
	"020100334c494f2d4f5247206469736b303a30313233343536372d383961622d636465662d303132" \
	"332d34353637383961626364656600" \
	"5194000400000001" \
	"5195000400000002" \
	"5196000400000000" \
	"5398002869716e2e323030332d30312e6f72672e6c696e75782d69736373693a782c742c30783030" \
	"30320000"

/* Of NetApp's kind: T10 first, then NAA, EUI, port numbers, and a text of the vendor. */
#define NETAPP_STANDARD "000006021f1000024e455441505020204c554e20432d4d6f646520202020202039393939"
#define NETAPP_IDENTIFICATION \
	"0083005e" \
	"0201001a4e45544150502020204c554e203830416153243f4c7a31532d00" \
	"01030010600a09803830416153243f4c7a31532d" \
	"010200103830416153243f4c000a098053243f4c" \
	"61940004000003ef" \
	"61950004000003e8" \
	"0200000441303030"

struct bytes {
	uint8_t *data; /* exactly @length, so that a sanitizer sees one byte too many */
	size_t length;
};

static struct bytes of(const char *hex)
{
	struct bytes bytes = {.length = strlen(hex) / 2};

	bytes.data = malloc(bytes.length ? bytes.length : 1);
	assert_non_null(bytes.data);
	assert_int_equal(text_hex_decode(hex, bytes.data, bytes.length), bytes.length);
	return bytes;
}

static struct inquiry_standard standard_of(const char *hex)
{
	struct bytes b = of(hex);
	struct inquiry_standard standard;

	assert_int_equal(inquiry_standard_parse(b.data, b.length, &standard), 0);
	free(b.data);
	return standard;
}

static int identify(const char *standard_hex, const char *page_hex, struct unit *unit)
{
	struct inquiry_standard standard = standard_of(standard_hex);
	struct bytes b = of(page_hex);
	int r;

	*unit = (struct unit){};
	r = inquiry_identification_parse(b.data, b.length, &standard, &unit->identity,
					 &unit->limits);
	free(b.data);
	return r;
}

static void wwid_is(const char *designators_hex, const char *wwid)
{
	char page[2048];
	struct unit unit;

	snprintf(page, sizeof(page), "0083%04zx%s", strlen(designators_hex) / 2, designators_hex);
	assert_int_equal(identify(TGT_STANDARD, page, &unit), 0);
	assert_string_equal(unit.identity.wwid, wwid);
}

/* ---- standard data --------------------------------------------------------------------------- */

static void standard_data_of_tgt(void **state)
{
	struct inquiry_standard standard = standard_of(TGT_STANDARD);
	struct unit_identity identity = {};

	assert_int_equal(standard.qualifier, INQUIRY_CONNECTED);
	assert_int_equal(standard.device_type, 0);
	assert_int_equal(standard.version, 5);
	assert_int_equal(standard.tpgs, 0);
	assert_false(standard.removable);
	assert_null(inquiry_no_disk_reason(&standard));
	inquiry_identity_fill(&standard, &identity);
	assert_string_equal(identity.vendor, "IET");
	assert_string_equal(identity.product, "VIRTUAL-DISK");
	assert_string_equal(identity.revision, "0001");

	standard = standard_of(TGT_CONTROLLER);
	assert_int_equal(standard.device_type, 0x0c);
	assert_string_equal(inquiry_no_disk_reason(&standard), "storage array controller");
}

static void standard_data_of_an_array_tells_its_port_groups(void **state)
{
	struct inquiry_standard standard = standard_of(NETAPP_STANDARD);

	assert_int_equal(standard.version, 6);
	assert_int_equal(standard.tpgs, 1);
	assert_memory_equal(standard.product, "LUN C-Mode      ", 16);
}

static void short_standard_data_has_blank_names(void **state)
{
	struct inquiry_standard standard;
	uint8_t data[36] = {0x7f, 0x80, 4, 2, 31, 0x30, 0, 2, 'A', 'B'};

	for (size_t length = 0; length < 8; length++)
		assert_int_equal(inquiry_standard_parse(data, length, &standard), -EBADMSG);
	assert_int_equal(inquiry_standard_parse(data, 9, &standard), 0);
	assert_int_equal(standard.qualifier, INQUIRY_NOT_SUPPORTED);
	assert_int_equal(standard.device_type, 0x1f);
	assert_int_equal(standard.tpgs, 3);
	assert_true(standard.removable);
	assert_memory_equal(standard.vendor, "A       ", 8);
	assert_memory_equal(standard.product, "                ", 16);
}

static void names_with_control_characters_are_made_printable(void **state)
{
	struct inquiry_standard standard = standard_of(TGT_STANDARD);
	struct unit_identity identity = {};

	memcpy(standard.vendor, " \x1b[2J\xff\n ", 8);
	memcpy(standard.product, "full sixteen ch.", 16);
	memcpy(standard.revision, "\0\0\0\0", 4);
	inquiry_identity_fill(&standard, &identity);
	assert_string_equal(identity.vendor, "?[2J??");
	assert_string_equal(identity.product, "full sixteen ch.");
	assert_string_equal(identity.revision, "");
}

static void device_types_have_names(void **state)
{
	assert_string_equal(inquiry_device_type_name(0x00), "disk");
	assert_string_equal(inquiry_device_type_name(0x1e), "well-known logical unit");
	assert_string_equal(inquiry_device_type_name(0x0d), "enclosure services");
	assert_string_equal(inquiry_device_type_name(0x1d), "device");
}

/* ---- page 00h -------------------------------------------------------------------------------- */

static void page_list_of_tgt(void **state)
{
	struct inquiry_standard standard = standard_of(TGT_STANDARD);
	struct bytes b = of(TGT_PAGES);
	struct vital_page_set set;

	assert_int_equal(inquiry_page_list_parse(b.data, b.length, &standard, &set), 0);
	for (unsigned page = 0; page < 256; page++)
		assert_int_equal(vital_page_set_has(&set, (uint8_t)page),
				 page == 0 || page == 0x80 || page == 0x83 ||
					 (page >= 0xb0 && page <= 0xb2));
	free(b.data);
}

static void standard_data_in_place_of_the_page_list_is_recognised(void **state)
{
	struct inquiry_standard standard = standard_of(TGT_STANDARD);
	struct bytes b = of(TGT_STANDARD);
	struct vital_page_set set;

	assert_int_equal(inquiry_page_list_parse(b.data, b.length, &standard, &set), -EBADMSG);
	for (unsigned page = 0; page < 256; page++)
		assert_false(vital_page_set_has(&set, (uint8_t)page));
	free(b.data);
}

static void page_length_is_told_for_the_right_page_only(void **state)
{
	static const uint8_t header[] = {0, 0x83, 0x12, 0x34};

	assert_int_equal(inquiry_page_length(header, 4, 0x83), 0x1238);
	assert_int_equal(inquiry_page_length(header, 4, 0x80), -EBADMSG);
	for (size_t length = 0; length < 4; length++)
		assert_int_equal(inquiry_page_length(header, length, 0x83), -EBADMSG);
}

/* ---- page 80h -------------------------------------------------------------------------------- */

static void serial_number_of_tgt_loses_its_blanks(void **state)
{
	struct inquiry_standard standard = standard_of(TGT_STANDARD);
	struct bytes b = of(TGT_SERIAL);
	struct unit_identity identity = {};

	assert_int_equal(inquiry_serial_parse(b.data, b.length, &standard, &identity), 0);
	assert_string_equal(identity.serial, "beaf11");
	assert_string_equal(identity.wwid, "SIET_VIRTUAL-DISK_beaf11");
	free(b.data);
}

static void blank_serial_numbers_are_none(void **state)
{
	static const char *const pages[] = {"00800000",		"0080000420202020",
					    "0080000400000000", "0080000420002020",
					    "00800004",		"008000"};
	struct inquiry_standard standard = standard_of(TGT_STANDARD);

	for (size_t i = 0; i < ARRAY_SIZE(pages); i++) {
		struct unit_identity identity = {.serial = "kept", .wwid = "kept"};
		struct bytes b = of(pages[i]);

		assert_int_equal(inquiry_serial_parse(b.data, b.length, &standard, &identity),
				 b.length < 4 ? -EBADMSG : -ENODATA);
		assert_string_equal(identity.serial, "kept");
		assert_string_equal(identity.wwid, "kept");
		free(b.data);
	}
}

static void a_serial_number_too_long_for_a_wwid_names_no_one(void **state)
{
	struct inquiry_standard standard = standard_of(TGT_STANDARD);
	uint8_t page[4 + 120] = {0, 0x80, 0, 120};
	struct unit_identity identity = {};

	memset(page + 4, 'x', 120);
	assert_int_equal(inquiry_serial_parse(page, sizeof(page), &standard, &identity), 0);
	assert_string_equal(identity.wwid, "");
	assert_int_equal(strlen(identity.serial), 120);
	/* 1 + 24 + 102 = 127 is the longest that does */
	page[3] = 102;
	assert_int_equal(inquiry_serial_parse(page, sizeof(page), &standard, &identity), 0);
	/* after cleaning: the blanks between and behind the names became one '_' each */
	assert_int_equal(strlen(identity.wwid), strlen("SIET_VIRTUAL-DISK_") + 102);
}

/* ---- page 83h: whole pages ------------------------------------------------------------------- */

static void wwid_of_tgt(void **state)
{
	struct unit unit;

	assert_int_equal(identify(TGT_STANDARD, TGT_IDENTIFICATION, &unit), 0);
	assert_string_equal(unit.identity.wwid, "360000000000000000e00000000010001");
	assert_int_equal(unit.limits.target_port_group, -1);
	assert_int_equal(unit.limits.relative_target_port, -1);
}

static void wwid_and_port_of_lio(void **state)
{
	struct unit unit;

	assert_int_equal(identify(LIO_STANDARD, LIO_IDENTIFICATION, &unit), 0);
	assert_string_equal(unit.identity.wwid, "360014050123456789abcdef012345678");
	assert_int_equal(unit.limits.relative_target_port, 1);
	assert_int_equal(unit.limits.target_port_group, 2);
}

static void wwid_and_port_of_netapp(void **state)
{
	struct unit unit;

	assert_int_equal(identify(NETAPP_STANDARD, NETAPP_IDENTIFICATION, &unit), 0);
	assert_string_equal(unit.identity.wwid, "3600a09803830416153243f4c7a31532d");
	assert_int_equal(unit.limits.relative_target_port, 0x3ef);
	assert_int_equal(unit.limits.target_port_group, 0x3e8);
}

/* ---- page 83h: the order --------------------------------------------------------------------- */

/* One designator of each row of the order, best first, with the WWID it forms. */
static const struct {
	const char *hex, *wwid;
} preferences[] = {
	{"0103001060014050000000010000000000000002", "360014050000000010000000000000002"},
	{"0203000461415858", "3aAXX"}, /* ASCII that begins with the bits 6 */
	{"010300085000000000000003", "35000000000000003"},
	{"0203000450415858", "3PAXX"},
	{"010300082000000000000004", "32000000000000004"},
	{"0203000441415858", "3AAXX"},
	{"010200080000000000000005", "20000000000000005"},
	{"0202000445455858", "2EEXX"},
	{"0101000a4142434445464748"
	 "0102",
	 "14142434445464748"
	 "0102"},
	{"0201000a4142434445464748"
	 "5858",
	 "1ABCDEFGHXX"},
	{"010000020a0b", "0IET_VIRTUAL-DISK_0a0b"},
	{"020000025858", "0IET_VIRTUAL-DISK_XX"},
};

static void each_designator_forms_its_wwid(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(preferences); i++)
		wwid_is(preferences[i].hex, preferences[i].wwid);
}

static void the_better_designator_wins_wherever_it_stands(void **state)
{
	char page[512];

	for (size_t better = 0; better < ARRAY_SIZE(preferences); better++) {
		for (size_t worse = better + 1; worse < ARRAY_SIZE(preferences); worse++) {
			const char *wwid = preferences[better].wwid;

			snprintf(page, sizeof(page), "%s%s", preferences[better].hex,
				 preferences[worse].hex);
			wwid_is(page, wwid);
			snprintf(page, sizeof(page), "%s%s", preferences[worse].hex,
				 preferences[better].hex);
			wwid_is(page, wwid);
		}
	}
}

static void of_two_alike_the_first_wins(void **state)
{
	wwid_is("010300085000000000000001"
		"010300085000000000000002",
		"35000000000000001");
}

static void designators_of_ports_devices_and_other_kinds_do_not_name_the_unit(void **state)
{
	static const char *const rows[] = {
		"011300085000000000000001", /* NAA of the target port */
		"012300085000000000000001", /* NAA of the target device */
		"013300085000000000000001", /* reserved association */
		"030300045858"
		"5858", /* code set UTF-8 */
		"000300045858"
		"5858",
		"0308000869716e2e61000000", /* SCSI name string */
		"0104000400000001",	    /* relative target port of the unit? */
		"010600040000"
		"0001",					    /* logical unit group */
		"0107001000112233445566778899aabbccddeeff", /* MD5 */
		"010a001200112233445566778899aabbccddeeff"
		"0011", /* UUID */
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		wwid_is(rows[i], "");
}

static void designators_that_say_nothing_do_not_count(void **state)
{
	static const char *const rows[] = {
		"01030000", /* empty */
		"0103000800000000"
		"00000000",		    /* all zero */
		"010200080000000000000000", /* the same, EUI */
		"0201000c4142434445464748"
		"20202020",			    /* T10: vendor and blanks */
		"020100084142434445464748",	    /* T10: vendor alone */
		"0101000c414243444546474800000000", /* T10: vendor and zeros */
		"020000042020"
		"2000", /* vendor specific, blank */
		"02000000",
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		wwid_is(rows[i], "");
	/* and the next best does */
	wwid_is("010300080000000000000000"
		"020000025858",
		"0IET_VIRTUAL-DISK_XX");
}

static void a_designator_too_long_for_a_wwid_is_passed_over(void **state)
{
	char page[2 * 300] = "0203007f"; /* ASCII, 127 characters: with the digit one too many */

	memset(page + 8, '5', 2 * 127);
	page[8 + 2 * 127] = '\0';
	wwid_is(page, "");
	memcpy(page, "0203007e", 8);
	page[8 + 2 * 126] = '\0';
	{
		char wwid[128] = "3";

		memset(wwid + 1, 'U', 126);
		wwid[127] = '\0';
		wwid_is(page, wwid);
	}
}

static void wwids_are_cleaned_as_udev_does(void **state)
{
	static const struct {
		const char *text, *wwid;
	} rows[] = {
		{"VENDOR  plain", "1VENDOR_plain"},
		{"VENDOR  \t a  b   ", "1VENDOR_a_b"},
		{"  VENDORtwo blanks first", "1_VENDORtwo_blanks_first"},
		{"VENDOR  #+-.:=@_", "1VENDOR_#+-.:=@_"},
		{"VENDOR  /a\\b\"c'd$e%f", "1VENDOR__a_b_c_d_e_f"},
		{"VENDOR  na\xc3\xafve \xe2\x82\xac", "1VENDOR_na\xc3\xafve_\xe2\x82\xac"},
		{"VENDOR  a\xff\xc3z\x80", "1VENDOR_a__z_"},
		{"VENDOR  \xc0\xaf\xed\xa0\x80.", "1VENDOR______."},
		{"VENDOR  \x01\x1b[m\x7f.", "1VENDOR____m_."},
		{"VENDOR  cut\xe2\x82", "1VENDOR_cut__"},
	};
	char page[256], hex[200];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		text_hex_encode(rows[i].text, strlen(rows[i].text), hex);
		snprintf(page, sizeof(page), "020100%02zx%s", strlen(rows[i].text), hex);
		wwid_is(page, rows[i].wwid);
	}
}

/* ---- page 83h: hostile ----------------------------------------------------------------------- */

static void a_page_in_scsi_2_form_is_not_taken(void **state)
{
	struct unit unit;

	assert_int_equal(identify(TGT_STANDARD, "0083001060060480000184501234535930303141", &unit),
			 -EBADMSG);
	assert_string_equal(unit.identity.wwid, "");
}

static void pages_cut_anywhere_give_the_whole_designators_before_the_cut(void **state)
{
	struct inquiry_standard standard = standard_of(LIO_STANDARD);
	struct bytes whole = of(LIO_IDENTIFICATION);

	for (size_t length = 0; length <= whole.length; length++) {
		owned_memory uint8_t *cut = malloc(length ? length : 1);
		struct unit unit = {};
		int r;

		memcpy(cut, whole.data, length);
		r = inquiry_identification_parse(cut, length, &standard, &unit.identity,
						 &unit.limits);
		assert_int_equal(r, length < 4 ? -EBADMSG : 0);
		assert_string_equal(unit.identity.wwid,
				    length < 24 ? "" : "360014050123456789abcdef012345678");
	}
	free(whole.data);
}

static void designator_lengths_beyond_the_page_are_survived(void **state)
{
	struct inquiry_standard standard = standard_of(TGT_STANDARD);

	for (unsigned told = 0; told < 64; told++) {
		for (unsigned length = 0; length < 256; length++) {
			owned_memory uint8_t *page = calloc(1, 24);
			struct unit unit = {};
			bool whole = length + 4 <= MIN(told, 20u) && length > 0;

			memcpy(page, "\0\x83\0\0\x01\x03\0\0\x31\x32\x33", 11);
			page[3] = (uint8_t)told;
			page[7] = (uint8_t)length;
			inquiry_identification_parse(page, 24, &standard, &unit.identity,
						     &unit.limits);
			assert_int_equal(unit.identity.wwid[0] != '\0', whole);
		}
	}
}

/* ---- pages B0h, B2h -------------------------------------------------------------------------- */

static void block_limits_are_read_field_by_field(void **state)
{
	struct bytes b = of("00b0003c"
			    "00ff0008"
			    "00001000"
			    "00000800"
			    "00000000"
			    "00010000"
			    "00000020"
			    "00000010"
			    "80000004"
			    "0000000100000002"
			    "0000000000000000"
			    "0000000000000000"
			    "00000000");
	struct unit_limits limits = {};

	assert_int_equal(b.length, 64);
	assert_int_equal(inquiry_block_limits_parse(b.data, b.length, &limits), 0);
	assert_int_equal(limits.max_transfer_blocks, 0x1000);
	assert_int_equal(limits.optimal_transfer_blocks, 0x800);
	assert_int_equal(limits.max_unmap_blocks, 0x10000);
	assert_int_equal(limits.max_unmap_descriptors, 0x20);
	assert_int_equal(limits.unmap_granularity_blocks, 0x10);
	assert_int_equal(limits.unmap_alignment_blocks, 4);
	assert_true(limits.max_write_same_blocks == 0x100000002);
	b.data[32] = 0; /* UGAVALID off */
	assert_int_equal(inquiry_block_limits_parse(b.data, b.length, &limits), 0);
	assert_int_equal(limits.unmap_alignment_blocks, 0);
	free(b.data);
}

static void a_short_block_limits_page_leaves_the_rest_unreported(void **state)
{
	struct bytes b = of("00b0000c"
			    "00000008"
			    "00001000"
			    "00000800");
	struct unit_limits limits = {.max_unmap_blocks = 7};

	assert_int_equal(inquiry_block_limits_parse(b.data, b.length, &limits), 0);
	assert_int_equal(limits.max_transfer_blocks, 0x1000);
	assert_int_equal(limits.optimal_transfer_blocks, 0x800);
	assert_int_equal(limits.max_unmap_blocks, 0);
	limits.max_transfer_blocks = 9;
	for (size_t length = 0; length < 8; length++)
		assert_int_equal(inquiry_block_limits_parse(b.data, length, &limits), -EBADMSG);
	assert_int_equal(limits.max_transfer_blocks, 9);
	free(b.data);
}

static void pages_of_tgt_without_thin_provisioning_claim_nothing(void **state)
{
	struct bytes b0 = of(TGT_BLOCK_LIMITS), b2 = of(TGT_PROVISIONING);
	struct unit_limits limits = {};

	assert_int_equal(inquiry_block_limits_parse(b0.data, b0.length, &limits), 0);
	assert_int_equal(inquiry_provisioning_parse(b2.data, b2.length, &limits), 0);
	assert_int_equal(limits.max_transfer_blocks, 0);
	assert_int_equal(limits.max_unmap_blocks, 0);
	assert_false(limits.unmap);
	assert_false(limits.write_same_unmap);
	assert_false(limits.unmapped_reads_zero);
	free(b0.data);
	free(b2.data);
}

static void provisioning_bits_are_read_one_by_one(void **state)
{
	for (unsigned flags = 0; flags < 256; flags++) {
		uint8_t page[8] = {0, 0xb2, 0, 4, 0, (uint8_t)flags, 2, 0};
		struct unit_limits limits = {.unmap = !(flags & 0x80)};

		assert_int_equal(inquiry_provisioning_parse(page, sizeof(page), &limits), 0);
		assert_int_equal(limits.unmap, !!(flags & 0x80));
		assert_int_equal(limits.write_same_unmap, !!(flags & 0x40));
		assert_int_equal(limits.unmapped_reads_zero, !!(flags & 0x04));
		assert_int_equal(inquiry_provisioning_parse(page, 5, &limits), -EBADMSG);
		page[1] = 0xb0;
		assert_int_equal(inquiry_provisioning_parse(page, 8, &limits), -EBADMSG);
	}
}

/* ---- WWN ------------------------------------------------------------------------------------- */

static void wwns_are_the_digits_of_naa_wwids(void **state)
{
	static const struct {
		const char *wwid, *wwn, *extended;
	} rows[] = {
		{"360014050123456789abcdef012345678", "0x6001405012345678",
		 "0x60014050123456789abcdef012345678"},
		{"35000c50012345678", "0x5000c50012345678", "0x5000c50012345678"},
		{"20000000000000005", "", ""},
		{"SIET_VIRTUAL-DISK_beaf11", "", ""},
		{"3", "", ""},
		{"", "", ""},
		{"3PAXX", "", ""},
		{"35000c500_1234567", "", ""},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct unit_wwn wwn;

		assert_int_equal(unit_wwn_of(rows[i].wwid, &wwn), rows[i].wwn[0] != '\0');
		assert_string_equal(wwn.wwn, rows[i].wwn);
		assert_string_equal(wwn.wwn_with_extension, rows[i].extended);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(standard_data_of_tgt),
		cmocka_unit_test(standard_data_of_an_array_tells_its_port_groups),
		cmocka_unit_test(short_standard_data_has_blank_names),
		cmocka_unit_test(names_with_control_characters_are_made_printable),
		cmocka_unit_test(device_types_have_names),
		cmocka_unit_test(page_list_of_tgt),
		cmocka_unit_test(standard_data_in_place_of_the_page_list_is_recognised),
		cmocka_unit_test(page_length_is_told_for_the_right_page_only),
		cmocka_unit_test(serial_number_of_tgt_loses_its_blanks),
		cmocka_unit_test(blank_serial_numbers_are_none),
		cmocka_unit_test(a_serial_number_too_long_for_a_wwid_names_no_one),
		cmocka_unit_test(wwid_of_tgt),
		cmocka_unit_test(wwid_and_port_of_lio),
		cmocka_unit_test(wwid_and_port_of_netapp),
		cmocka_unit_test(each_designator_forms_its_wwid),
		cmocka_unit_test(the_better_designator_wins_wherever_it_stands),
		cmocka_unit_test(of_two_alike_the_first_wins),
		cmocka_unit_test(designators_of_ports_devices_and_other_kinds_do_not_name_the_unit),
		cmocka_unit_test(designators_that_say_nothing_do_not_count),
		cmocka_unit_test(a_designator_too_long_for_a_wwid_is_passed_over),
		cmocka_unit_test(wwids_are_cleaned_as_udev_does),
		cmocka_unit_test(a_page_in_scsi_2_form_is_not_taken),
		cmocka_unit_test(pages_cut_anywhere_give_the_whole_designators_before_the_cut),
		cmocka_unit_test(designator_lengths_beyond_the_page_are_survived),
		cmocka_unit_test(block_limits_are_read_field_by_field),
		cmocka_unit_test(a_short_block_limits_page_leaves_the_rest_unreported),
		cmocka_unit_test(pages_of_tgt_without_thin_provisioning_claim_nothing),
		cmocka_unit_test(provisioning_bits_are_read_one_by_one),
		cmocka_unit_test(wwns_are_the_digits_of_naa_wwids),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
