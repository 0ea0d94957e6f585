/*
 * grpc.c - any bytes as a timeout of gRPC, and as a message. What is read as a timeout and written
 * again is the same time; a message that is encoded is plain ASCII without a "%" of its own.
 */
#include "http/grpc.h"

#include "base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct bytes in = bytes_of((const char *)data, n);
	char text[GRPC_TIMEOUT_TEXT], out[256];
	uint64_t ns, again;
	size_t len;

	if (grpc_timeout_parse(in, &ns)) {
		HG_CHECK(grpc_timeout_parse(grpc_timeout_write(ns, text), &again));
		HG_CHECK(again == ns || (ns == 0 && again == 1));
	}
	len = grpc_message(in, out, sizeof(out));
	HG_CHECK(len <= sizeof(out) && len <= n * 3);
	for (size_t i = 0; i < len; i++)
		HG_CHECK(out[i] >= 0x20 && out[i] < 0x7f && (out[i] != '%' || i + 2 < len));
	return 0;
}
