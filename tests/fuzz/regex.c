/*
 * regex.c - fuzzes the pattern scanner and the bounds of matching. First line: pattern; the rest:
 * subject. What is accepted must agree with its own literal prefix.
 */
#include "base/regex.h"

#include "base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct bytes rest = bytes_of((const char *)data, n), text = bytes_cut(&rest, '\n'), prefix;
	char msg[160], out[64];
	struct regex *r;
	size_t at = 0;

	prefix = regex_literal_prefix(text, out, sizeof(out));
	HG_CHECK(prefix.n <= text.n);
	r = regex_new(text, msg, &at);
	if (r == NULL) {
		HG_CHECK(at <= text.n && strlen(msg) > 0);
		return 0;
	}
	if (regex_match(r, rest) == 1)
		HG_CHECK(bytes_starts(rest, prefix));
	regex_free(r);
	return 0;
}
