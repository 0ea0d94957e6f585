/*
 * proxyproto.c - fuzzes the reader of PROXY headers. Every prefix of an accepted header asks for
 * more; what follows it changes nothing; and its addresses read back as they were once we have
 * written them.
 */
#include "net/proxyproto.h"

#include <string.h>

#include "base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct proxyproto h, again;
	char out[PROXYPROTO_WRITE];

	if (proxyproto_parse(data, n, &h) != PROXYPROTO_DONE)
		return 0;
	HG_CHECK(h.bytes <= n && h.bytes <= PROXYPROTO_MAX);
	HG_CHECK(h.version == 2 || (h.version == 1 && h.bytes <= 107));
	HG_CHECK(!h.src.family == !h.dst.family);
	for (size_t k = 0; k < h.bytes; k++)
		HG_CHECK(proxyproto_parse(data, k, &again) == PROXYPROTO_MORE);
	HG_CHECK(proxyproto_parse(data, h.bytes, &again) == PROXYPROTO_DONE);
	HG_CHECK(addr_eq(&again.src, &h.src) && again.bytes == h.bytes);
	for (unsigned v = 1; v <= 2; v++) {
		size_t len = proxyproto_write(out, v, false, &h.src, &h.dst);

		HG_CHECK(len < sizeof(out));
		HG_CHECK(proxyproto_parse(out, len, &again) == PROXYPROTO_DONE);
		HG_CHECK(again.bytes == len && addr_eq(&again.src, &h.src));
		HG_CHECK(addr_eq(&again.dst, &h.dst));
	}
	return 0;
}
