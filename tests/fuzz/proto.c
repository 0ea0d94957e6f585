/*
 * proto.c - fuzzes the receiving side of messages between our processes. Byte 0: type; the rest:
 * payload. What proto_take() accepts can be read as the whole struct, and sent on unchanged.
 */
#include "shm/proto.h"

#include <stddef.h>

#include "base/check.h"
#include "base/imsg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
text_ok(const char *p, size_t size)
{
	HG_CHECK(strnlen(p, size) < size);
}

static void
payload_ok(uint32_t type, const void *data)
{
	if (type == PROTO_FILE) {
		const struct proto_file *f = data;

		text_ok(f->ns, sizeof(f->ns));
		text_ok(f->path, sizeof(f->path));
	} else if (type == PROTO_COMPILE) {
		const struct proto_compile *c = data;

		HG_CHECK(c->nroots <= PROTO_ROOTS);
		text_ok(c->conf, sizeof(c->conf));
		for (unsigned i = 0; i < PROTO_ROOTS; i++)
			text_ok(c->roots[i], sizeof(c->roots[i]));
	} else if (type == PROTO_BIND) {
		HG_CHECK(((const struct proto_bind *)data)->n <= PROTO_BIND_MAX);
	} else if (type == PROTO_BOUND) {
		HG_CHECK(((const struct proto_bound *)data)->n <= PROTO_BIND_MAX);
	} else if (type == PROTO_RESULT) {
		const struct proto_result *r = data;

		text_ok(r->summary, sizeof(r->summary));
		text_ok(r->settings.access_log, sizeof(r->settings.access_log));
	} else if (type == PROTO_REFUSED || type == PROTO_FAILED || type == PROTO_STORED) {
		text_ok(data, sizeof(struct proto_text));
	} else if (type == PROTO_WALK || type == PROTO_OPEN || type == PROTO_STORE) {
		text_ok(data, sizeof(struct proto_path));
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static unsigned char buf[IMSG_MAX] __attribute__((aligned(16)));
	uint32_t type, len;

	if (n == 0 || n - 1 > sizeof(buf))
		return 0;
	type = data[0];
	len = (uint32_t)(n - 1);
	memset(buf, 0xa5, sizeof(buf));
	memcpy(buf, data + 1, len);
	HG_CHECK(proto_name(type) != NULL);
	if (!proto_take(type, buf, len)) {
		/* Right length, wrong content; or no such message. */
		return 0;
	}
	HG_CHECK(proto_ok(type, len));
	payload_ok(type, buf);
	HG_CHECK(proto_len(type, buf) <= HG_MAX(len, 1u) || len == 0 || proto_ok(type, len));
	len = proto_len(type, buf);
	HG_CHECK(proto_take(type, buf, len));
	payload_ok(type, buf);
	return 0;
}
