/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include "util/text.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "util/cleanup.h"

static const char blanks[] = " \t\r\n";

/* A UTF-8 sequence cut short at the end would be no text any more: cut in front of it. */
static size_t whole_characters(const char *text, size_t length)
{
	size_t start = length;

	while (start > 0 && ((unsigned char)text[start] & 0xc0) == 0x80)
		start--;
	return start;
}

bool text_copy(char *destination, size_t size_bytes, const char *source)
{
	size_t length = strnlen(source, size_bytes);
	bool fits = length < size_bytes;

	if (!fits)
		length = whole_characters(source, size_bytes - 1);
	memmove(destination, source, length);
	destination[length] = '\0';
	return fits;
}

bool text_starts_with(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

bool text_ends_with(const char *text, const char *suffix)
{
	size_t length = strlen(text), suffix_length = strlen(suffix);

	return length >= suffix_length && strcmp(text + length - suffix_length, suffix) == 0;
}

char *text_trim(char *text)
{
	size_t length;

	text += strspn(text, blanks);
	length = strlen(text);
	while (length > 0 && strchr(blanks, text[length - 1]))
		length--;
	text[length] = '\0';
	return text;
}

const char *text_name_of(const struct text_name *table, size_t count, int value,
			 const char *fallback)
{
	for (size_t i = 0; i < count; i++)
		if (table[i].value == value)
			return table[i].name;
	return fallback;
}

int text_value_of(const struct text_name *table, size_t count, const char *name, int *ret)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(table[i].name, name) == 0) {
			*ret = table[i].value;
			return 0;
		}
	}
	return -EINVAL;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

int text_parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *ret)
{
	uint64_t number = 0;
	bool overflow = false;

	if (*text == '\0')
		return -EINVAL;
	for (; *text; text++) {
		if (!is_digit(*text))
			return -EINVAL;
		overflow |= __builtin_mul_overflow(number, 10, &number);
		overflow |= __builtin_add_overflow(number, (uint64_t)(*text - '0'), &number);
	}
	if (overflow || number < min || number > max)
		return -ERANGE;
	*ret = number;
	return 0;
}

int text_parse_i64(const char *text, int64_t min, int64_t max, int64_t *ret)
{
	bool negative = *text == '-';
	uint64_t limit = negative ? (uint64_t)INT64_MAX + 1 : INT64_MAX;
	uint64_t magnitude;
	int64_t number;
	int r;

	r = text_parse_u64(text + negative, 0, limit, &magnitude);
	if (r < 0)
		return r;
	number = negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
	if (number < min || number > max)
		return -ERANGE;
	*ret = number;
	return 0;
}

int text_parse_hex(const char *text, uint64_t *ret)
{
	size_t digits;

	if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X'))
		text += 2;
	digits = strspn(text, "0123456789abcdefABCDEF");
	if (digits == 0 || digits > 16 || text[digits])
		return -EINVAL;
	*ret = strtoull(text, NULL, 16);
	return 0;
}

int text_parse_bool(const char *text, bool *ret)
{
	static const struct {
		const char *word;
		bool value;
	} words[] = {
		{"yes", true}, {"true", true},	 {"on", true},	 {"1", true},
		{"no", false}, {"false", false}, {"off", false}, {"0", false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (strcasecmp(text, words[i].word) == 0) {
			*ret = words[i].value;
			return 0;
		}
	}
	return -EINVAL;
}

struct unit {
	const char *name;
	uint64_t factor;
};

/* A decimal number with at most six digits behind the point, in millionths. */
static int parse_millionths(const char **text, unsigned __int128 *ret)
{
	unsigned __int128 number = 0;
	unsigned fraction_digits = 0;
	const char *p = *text;

	if (!is_digit(*p))
		return -EINVAL;
	for (; is_digit(*p); p++) {
		number = number * 10 + (unsigned)(*p - '0');
		if (number > UINT64_MAX)
			return -ERANGE;
	}
	if (*p == '.') {
		p++;
		if (!is_digit(*p))
			return -EINVAL;
		for (; is_digit(*p); p++) {
			if (++fraction_digits > 6)
				return -EINVAL;
			number = number * 10 + (unsigned)(*p - '0');
		}
	}
	for (; fraction_digits < 6; fraction_digits++)
		number *= 10;
	*text = p;
	*ret = number;
	return 0;
}

static int parse_with_unit(const char *text, const struct unit *units, size_t count, uint64_t bare,
			   uint64_t *ret)
{
	unsigned __int128 number;
	uint64_t factor = 0;
	int r;

	r = parse_millionths(&text, &number);
	if (r < 0)
		return r;
	while (*text == ' ')
		text++;
	if (*text == '\0')
		factor = bare;
	for (size_t i = 0; i < count && !factor; i++)
		if (strcasecmp(text, units[i].name) == 0)
			factor = units[i].factor;
	if (!factor)
		return -EINVAL;
	/* below 2^64 * 10^6 * 2^60: fits 128 bits only while the number itself is small */
	if (number > ((unsigned __int128)UINT64_MAX * 1000000) / factor)
		return -ERANGE;
	number *= factor;
	if (number % 1000000 != 0)
		return -ERANGE;
	*ret = (uint64_t)(number / 1000000);
	return 0;
}

int text_parse_ms(const char *text, uint64_t unit_ms, uint64_t *ret)
{
	static const struct unit units[] = {
		{"ms", 1},    {"s", 1000},    {"sec", 1000},   {"min", 60000},
		{"m", 60000}, {"h", 3600000}, {"d", 86400000},
	};

	return parse_with_unit(text, units, ARRAY_SIZE(units), unit_ms, ret);
}

int text_parse_bytes(const char *text, uint64_t *ret)
{
	static const struct unit units[] = {
		{"B", 1},
		{"K", 1ULL << 10},
		{"KiB", 1ULL << 10},
		{"M", 1ULL << 20},
		{"MiB", 1ULL << 20},
		{"G", 1ULL << 30},
		{"GiB", 1ULL << 30},
		{"T", 1ULL << 40},
		{"TiB", 1ULL << 40},
		{"P", 1ULL << 50},
		{"PiB", 1ULL << 50},
	};

	return parse_with_unit(text, units, ARRAY_SIZE(units), 1, ret);
}

char *text_format_bytes(uint64_t bytes, char buffer[TEXT_FORMAT_MAX])
{
	static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	unsigned unit = 0;
	uint64_t tenths;

	if (bytes < 1024) {
		snprintf(buffer, TEXT_FORMAT_MAX, "%" PRIu64 " B", bytes);
		return buffer;
	}
	/* Halfway between two units "1024.0 KiB" would be the rounded result: go up instead. */
	for (;;) {
		tenths = (uint64_t)(((unsigned __int128)bytes * 10 + (512ULL << (10 * unit))) >>
				    (10 * (unit + 1)));
		if (tenths < 10240 || unit + 1 == ARRAY_SIZE(units))
			break;
		unit++;
	}
	snprintf(buffer, TEXT_FORMAT_MAX, "%" PRIu64 ".%" PRIu64 " %s", tenths / 10, tenths % 10,
		 units[unit]);
	return buffer;
}

char *text_format_ns(uint64_t ns, char buffer[TEXT_FORMAT_MAX])
{
	/* clang-format off */
	static const struct {
		uint64_t below_ns, unit_ns;
		const char *unit;
	} small[] = {
		{999950ULL,         1000ULL,       "µs"},
		{999950000ULL,      1000000ULL,    "ms"},
		{59950000000ULL,    1000000000ULL, "s"},
	};
	static const struct {
		uint64_t below_s, unit_s, minor_s;
		const char *unit, *minor;
	} large[] = {
		{3600,       60,    1,    "min", "s"},
		{86400,      3600,  60,   "h",   "min"},
		{UINT64_MAX, 86400, 3600, "d",   "h"},
	};
	/* clang-format on */
	uint64_t s = ns / 1000000000 + (ns % 1000000000 >= 500000000);

	if (ns < 1000) {
		snprintf(buffer, TEXT_FORMAT_MAX, "%" PRIu64 " ns", ns);
		return buffer;
	}
	for (size_t i = 0; i < ARRAY_SIZE(small); i++) {
		if (ns < small[i].below_ns) {
			uint64_t tenths = (ns * 10 + small[i].unit_ns / 2) / small[i].unit_ns;

			snprintf(buffer, TEXT_FORMAT_MAX, "%" PRIu64 ".%" PRIu64 " %s", tenths / 10,
				 tenths % 10, small[i].unit);
			return buffer;
		}
	}
	for (size_t i = 0; i < ARRAY_SIZE(large); i++) {
		if (s < large[i].below_s) {
			snprintf(buffer, TEXT_FORMAT_MAX, "%" PRIu64 " %s %" PRIu64 " %s",
				 s / large[i].unit_s, large[i].unit,
				 s % large[i].unit_s / large[i].minor_s, large[i].minor);
			return buffer;
		}
	}
	return buffer;
}

/* --- SipHash-2-4 (Aumasson, Bernstein: "SipHash: a fast short-input PRF") --- */

struct siphash {
	uint64_t v[4];
	uint64_t word; /* the bytes that make no whole word yet */
	uint64_t length_bytes;
};

static uint64_t rotate_left(uint64_t n, unsigned bits)
{
	return n << bits | n >> (64 - bits);
}

static void siphash_round(uint64_t v[4])
{
	v[0] += v[1];
	v[2] += v[3];
	v[1] = rotate_left(v[1], 13) ^ v[0];
	v[3] = rotate_left(v[3], 16) ^ v[2];
	v[0] = rotate_left(v[0], 32);
	v[2] += v[1];
	v[0] += v[3];
	v[1] = rotate_left(v[1], 17) ^ v[2];
	v[3] = rotate_left(v[3], 21) ^ v[0];
	v[2] = rotate_left(v[2], 32);
}

static uint64_t little_endian_64(const uint8_t *bytes)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < 8; i++)
		n |= (uint64_t)bytes[i] << (8 * i);
	return n;
}

static void siphash_init(struct siphash *hash, const uint8_t key[16])
{
	uint64_t k0 = little_endian_64(key), k1 = little_endian_64(key + 8);

	*hash = (struct siphash){
		.v = {k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d, k0 ^ 0x6c7967656e657261,
		      k1 ^ 0x7465646279746573},
	};
}

static void siphash_word(struct siphash *hash, uint64_t word)
{
	hash->v[3] ^= word;
	siphash_round(hash->v);
	siphash_round(hash->v);
	hash->v[0] ^= word;
}

static void siphash_add(struct siphash *hash, const void *data, size_t length_bytes)
{
	const uint8_t *bytes = data;

	for (size_t i = 0; i < length_bytes; i++) {
		hash->word |= (uint64_t)bytes[i] << (8 * (hash->length_bytes % 8));
		if (++hash->length_bytes % 8 == 0) {
			siphash_word(hash, hash->word);
			hash->word = 0;
		}
	}
}

static uint64_t siphash_end(struct siphash *hash)
{
	siphash_word(hash, hash->word | hash->length_bytes << 56);
	hash->v[2] ^= 0xff;
	for (unsigned i = 0; i < 4; i++)
		siphash_round(hash->v);
	return hash->v[0] ^ hash->v[1] ^ hash->v[2] ^ hash->v[3];
}

uint64_t text_siphash(const uint8_t key[16], const void *data, size_t length_bytes)
{
	struct siphash hash;

	siphash_init(&hash, key);
	siphash_add(&hash, data, length_bytes);
	return siphash_end(&hash);
}

uint64_t text_hash(const char *const *parts, size_t count)
{
	/* Never to be changed: object paths and ISIDs that others stored depend on it. */
	static const uint8_t key[16] = "hawser identity";
	struct siphash hash;

	siphash_init(&hash, key);
	for (size_t i = 0; i < count; i++) {
		const char *part = parts[i] ? parts[i] : "";

		siphash_add(&hash, part, strlen(part) + 1);
	}
	return siphash_end(&hash);
}

/*
 * One UTF-8 character (RFC 3629 §4) at @bytes. Return: its length, or 0 when it is none.
 */
static size_t decode_character(const uint8_t *bytes, size_t left, uint32_t *code_point)
{
	static const struct {
		uint8_t mask, lead;
		uint32_t min; /* below it the form is overlong */
	} forms[] = {
		{0x80, 0x00, 0}, {0xe0, 0xc0, 0x80}, {0xf0, 0xe0, 0x800}, {0xf8, 0xf0, 0x10000}};

	for (size_t length = 1; length <= ARRAY_SIZE(forms) && length <= left; length++) {
		uint32_t code = bytes[0] & (uint8_t)~forms[length - 1].mask;

		if ((bytes[0] & forms[length - 1].mask) != forms[length - 1].lead)
			continue;
		for (size_t i = 1; i < length; i++) {
			if ((bytes[i] & 0xc0) != 0x80)
				return 0;
			code = code << 6 | (bytes[i] & 0x3f);
		}
		if (code < forms[length - 1].min || code > 0x10ffff ||
		    (code >= 0xd800 && code <= 0xdfff))
			return 0;
		*code_point = code;
		return length;
	}
	return 0;
}

static bool is_dangerous(uint32_t code_point)
{
	/* clang-format off */
	static const struct {
		uint32_t first, last;
	} ranges[] = {
		{0x00, 0x1f},
		{0x7f, 0x9f},
		{0x200e, 0x200f}, /* left-to-right and right-to-left mark */
		{0x2028, 0x202e}, /* separators, bidirectional embedding and override */
		{0x2066, 0x2069}, /* bidirectional isolates */
		{0xfeff, 0xfeff}, /* byte order mark */
		{0xfffe, 0xffff}, /* no characters */
	};
	/* clang-format on */

	for (size_t i = 0; i < ARRAY_SIZE(ranges); i++)
		if (code_point >= ranges[i].first && code_point <= ranges[i].last)
			return true;
	return false;
}

size_t text_sanitise(char *destination, size_t size_bytes, const void *source, size_t length_bytes)
{
	const uint8_t *in = source;
	size_t out = 0;

	length_bytes = strnlen(source, length_bytes);
	while (length_bytes > 0) {
		uint32_t code_point;
		size_t length = decode_character(in, length_bytes, &code_point);
		bool good = length > 0 && !is_dangerous(code_point);
		size_t eaten = MAX(length, (size_t)1);

		if (size_bytes - 1 - out < (good ? length : 1))
			break;
		/* what is written is never longer than what was read, so it may be in place */
		if (good)
			memmove(destination + out, in, length);
		else
			destination[out] = '?';
		out += good ? length : 1;
		in += eaten;
		length_bytes -= eaten;
	}
	destination[out] = '\0';
	return out;
}

bool text_is_printable(const char *text)
{
	const uint8_t *in = (const uint8_t *)text;
	size_t left = strlen(text);

	while (left > 0) {
		uint32_t code_point;
		size_t length = decode_character(in, left, &code_point);

		if (length == 0 || is_dangerous(code_point))
			return false;
		in += length;
		left -= length;
	}
	return true;
}

void text_hex_encode(const void *data, size_t length_bytes, char *text)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *bytes = data;

	for (size_t i = 0; i < length_bytes; i++) {
		*text++ = digits[bytes[i] >> 4];
		*text++ = digits[bytes[i] & 15];
	}
	*text = '\0';
}

static int hex_digit(char c)
{
	if (is_digit(c))
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -EINVAL;
}

int text_hex_decode(const char *text, void *data, size_t capacity_bytes)
{
	size_t length = strlen(text);
	uint8_t *bytes = data;

	if (length % 2 != 0)
		return -EINVAL;
	if (length / 2 > capacity_bytes || length / 2 > INT_MAX)
		return -ENOSPC;
	for (size_t i = 0; i < length / 2; i++) {
		int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return -EINVAL;
		bytes[i] = (uint8_t)(high << 4 | low);
	}
	return (int)(length / 2);
}
