/*
 * codes.c - looks things up in the table of codes.h. A linear search of a short const table: nobody
 * asks twice.
 */
#include "conf/read/codes.h"

#include <stddef.h>

#include "base/check.h"

static const struct {
	unsigned number;
	const char *title, *explanation;
} codes[] = {
#define CODE(number, name, title, text) {number, title, text},
	CODE_TABLE(CODE)
#undef CODE
};

const char *
code_title(unsigned number)
{
	for (size_t i = 0; i < HG_ARRAY_LEN(codes); i++)
		if (codes[i].number == number)
			return codes[i].title;
	return NULL;
}

const char *
code_explanation(unsigned number)
{
	for (size_t i = 0; i < HG_ARRAY_LEN(codes); i++)
		if (codes[i].number == number)
			return codes[i].explanation;
	return NULL;
}

unsigned
code_at(unsigned i)
{
	return i < HG_ARRAY_LEN(codes) ? codes[i].number : 0;
}

unsigned
code_parse(const char *text)
{
	unsigned number = 0, digits = 0;

	if ((text[0] == 'H' || text[0] == 'h') && (text[1] == 'G' || text[1] == 'g'))
		text += 2;
	for (; *text >= '0' && *text <= '9' && digits < 5; text++, digits++)
		number = number * 10 + (unsigned)(*text - '0');
	if (*text != '\0' || digits == 0 || digits > 4)
		return 0;
	return code_title(number) ? number : 0;
}
