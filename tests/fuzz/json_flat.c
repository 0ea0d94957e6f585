/*
 * json_flat.c - fuzzes the scanner of flat JSON objects, in which requests of the control socket
 * come. What it accepts, written again by our writer, must read as the same pairs.
 */
#include "base/json.h"

#include "base/check.h"
#include "base/mem.h"

#define PAIRS 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char *text = mem_dup(bytes_of((const char *)data, n));
	struct json_pair p[PAIRS], again[PAIRS];
	struct strbuf s = STRBUF_INIT;
	struct json j;
	int count;

	count = json_flat(text, n, p, PAIRS);
	if (count >= 0) {
		json_init(&j, &s, n % 2 == 0);
		json_object(&j);
		for (int i = 0; i < count; i++) {
			json_keyb(&j, p[i].key);
			json_str(&j, p[i].value);
		}
		json_end(&j, '}');
		HG_CHECK(json_flat(s.p, s.n, again, PAIRS) == count);
		for (int i = 0; i < count; i++) {
			HG_CHECK(bytes_eq(p[i].key, again[i].key));
			HG_CHECK(bytes_eq(p[i].value, again[i].value));
		}
	}
	strbuf_release(&s);
	mem_free(text);
	return 0;
}
