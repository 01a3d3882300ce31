/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/terminal.h"

#include "base/text.h"

#include <langinfo.h>
#include <locale.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

enum { WIDTH_DEFAULT = 80, WIDTH_MIN = 40, WIDTH_MAX = 250 };

static unsigned number_of(const char *variable)
{
	const char *text = getenv(variable);
	uint32_t n;

	return text && parse_u32(text, &n) == 0 && n < 10000 ? n : 0;
}

/*
 * A locale may be asked for and not be installed (ssh carries names of locales to machines that
 * lack them): the terminal then speaks UTF-8 all the same.
 */
static bool locale_is_utf8(void)
{
	static const char *const variables[] = { "LC_ALL", "LC_CTYPE", "LANG" };

	setlocale(LC_CTYPE, "");
	if (text_eq(nl_langinfo(CODESET), "UTF-8"))
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(variables); i++) {
		const char *value = getenv(variables[i]);

		if (value && *value)
			return strcasestr(value, "UTF-8") || strcasestr(value, "UTF8");
	}
	return false;
}

struct terminal terminal_look(int fd)
{
	struct terminal terminal = { .is_terminal = isatty(fd) };
	const char *no_colour = getenv("NO_COLOR"), *kind = getenv("TERM");
	struct winsize size = { 0 };

	if (terminal.is_terminal && ioctl(fd, TIOCGWINSZ, &size) == 0) {
		terminal.width = size.ws_col;
		terminal.height = size.ws_row;
	}
	terminal.width = terminal.width ?: number_of("COLUMNS") ?: WIDTH_DEFAULT;
	terminal.height = terminal.height ?: number_of("LINES");
	if (terminal.width < WIDTH_MIN)
		terminal.width = WIDTH_MIN;
	if (terminal.width > WIDTH_MAX)
		terminal.width = WIDTH_MAX;
	terminal.has_unicode = locale_is_utf8();
	terminal.has_colour = terminal.is_terminal && !(no_colour && *no_colour) && kind &&
			      !text_eq(kind, "dumb");
	return terminal;
}

void terminal_paint(const struct terminal *terminal, FILE *out, enum paint paint)
{
	static const char *const codes[PAINT_N] = {
		[PAINT_PLAIN] = "\033[0m",
		[PAINT_BOLD] = "\033[1m",
		[PAINT_DIM] = "\033[2m",
		[PAINT_RED] = "\033[1;31m",
		[PAINT_GREEN] = "\033[32m",
		[PAINT_YELLOW] = "\033[33m",
		[PAINT_BLUE] = "\033[34m",
		[PAINT_MAGENTA] = "\033[35m",
		[PAINT_CYAN] = "\033[36m",
	};

	if (terminal->has_colour)
		fputs(codes[paint], out);
}

/* Decodes one character of UTF-8; 0 and one byte further where it is none. */
static uint32_t decode(const char **text)
{
	static const uint32_t least[] = { 0, 0x80, 0x800, 0x10000 };
	const unsigned char *p = (const unsigned char *)*text;
	unsigned more = *p < 0x80	? 0
			: *p >> 5 == 6	? 1
			: *p >> 4 == 14 ? 2
			: *p >> 3 == 30 ? 3
					: 4;
	uint32_t rune = more == 0 ? *p : more < 4 ? *p & (0x3fU >> more) : 0;

	(*text)++;
	if (more == 4)
		return 0;
	for (unsigned i = 1; i <= more; i++) {
		if (p[i] >> 6 != 2)
			return 0;
		rune = rune << 6 | (p[i] & 0x3f);
	}
	*text += more;
	return rune >= least[more] ? rune : 0;
}

uint32_t terminal_next_rune(const struct terminal *terminal, const char **text)
{
	uint32_t rune;

	if (!**text)
		return 0;
	rune = decode(text);
	if (rune < 0x80)
		return rune >= 0x20 && rune < 0x7f ? rune : '?';
	if (!terminal->has_unicode)
		return '?';
	/* Box drawing, arrows and the like are ours where the C library does not know them. */
	if ((rune >= 0x2500 && rune < 0x25a0) || rune == 0x2192 || rune == 0x2026 || rune == 0xb7)
		return rune;
	return wcwidth((wchar_t)rune) == 1 ? rune : '?';
}

unsigned terminal_columns(const struct terminal *terminal, const char *text)
{
	unsigned n = 0;

	while (terminal_next_rune(terminal, &text))
		n++;
	return n;
}

unsigned rune_encode(uint32_t rune, char ret_bytes[4])
{
	if (rune < 0x80) {
		ret_bytes[0] = (char)rune;
		return 1;
	}
	if (rune < 0x800) {
		ret_bytes[0] = (char)(0xc0 | rune >> 6);
		ret_bytes[1] = (char)(0x80 | (rune & 0x3f));
		return 2;
	}
	if (rune < 0x10000) {
		ret_bytes[0] = (char)(0xe0 | rune >> 12);
		ret_bytes[1] = (char)(0x80 | (rune >> 6 & 0x3f));
		ret_bytes[2] = (char)(0x80 | (rune & 0x3f));
		return 3;
	}
	ret_bytes[0] = (char)(0xf0 | rune >> 18);
	ret_bytes[1] = (char)(0x80 | (rune >> 12 & 0x3f));
	ret_bytes[2] = (char)(0x80 | (rune >> 6 & 0x3f));
	ret_bytes[3] = (char)(0x80 | (rune & 0x3f));
	return 4;
}

void terminal_add_safe(
	const struct terminal *terminal, struct buf *buf, const char *text, unsigned width)
{
	unsigned columns = terminal_columns(terminal, text);
	const char *dots = terminal->has_unicode ? "\xe2\x80\xa6" : "~";
	unsigned take = columns <= width ? columns : width ? width - 1 : 0;

	for (unsigned i = 0; i < take; i++) {
		char bytes[4];
		unsigned n = rune_encode(terminal_next_rune(terminal, &text), bytes);

		buf_add_n(buf, bytes, n);
	}
	if (columns > width && width > 0)
		buf_add(buf, dots);
}

void terminal_print_safe(const struct terminal *terminal, FILE *out, const char *text)
{
	AUTO_BUF buf = { 0 };

	terminal_add_safe(terminal, &buf, text, UINT32_MAX);
	fputs(buf_text(&buf), out);
}

void terminal_print_wrapped(
	const struct terminal *terminal, FILE *out, unsigned indent, const char *text)
{
	AUTO_BUF safe = { 0 };
	const char *word;
	unsigned at = 0;

	terminal_add_safe(terminal, &safe, text, UINT32_MAX);
	for (word = buf_text(&safe); *word;) {
		/* The blanks before a word are part of it, except at a line's beginning. */
		unsigned n = (unsigned)(strspn(word, " ") + strcspn(word + strspn(word, " "), " "));
		AUTO_BUF next = { 0 };
		unsigned columns;

		buf_add_n(&next, word, n);
		columns = terminal_columns(terminal, buf_text(&next));
		if (terminal->is_terminal && at > indent && at + columns > terminal->width) {
			fprintf(out, "\n%*s", (int)indent, "");
			at = indent + columns - (*word == ' ');
			fputs(buf_text(&next) + (*word == ' '), out);
		} else {
			fputs(buf_text(&next), out);
			at += columns;
		}
		word += n;
	}
	fputc('\n', out);
}
