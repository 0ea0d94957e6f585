/*
 * catalogue.c - a catalogue comes from disk, where anything may have happened to it. If
 * catalogue_open takes one, whoever reads it stays in bounds, and the next compile that remembers
 * by it comes to a sound end.
 *
 * The input edits a real catalogue: 8 bytes an edit: offset (3), width and what to do (1), value
 * (4). Every fourth edit falls on the section table.
 */
#include <sys/mman.h>

#include "base/check.h"
#include "base/mem.h"
#include "conf/compile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const char manifest[] =
    "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\n"
    "metadata: {name: edge, namespace: a}\n"
    "spec: {gatewayClassName: headgate, listeners: [{name: http, port: 80, protocol: HTTP}]}\n---\n"
    "apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: a}\n"
    "spec: {type: ExternalName, externalName: x.y, ports: [{port: 80}]}\n---\n"
    "apiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: a}\nstringData: {k: v}\n---\n"
    "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: r, namespace: a}\n"
    "spec: {parentRefs: [{name: edge}], rules: [{backendRefs: [{name: web, port: 80}]}]}\n";

static char *base;
static size_t nbase;
static volatile uint64_t sink;

static int
walk(struct source *s, unsigned root, int (*file)(void *, struct source_file *), void *arg)
{
	struct source_file f = {.path = BYTES("a.yaml"), .text = bytes_str(manifest)};

	(void)root;
	if (s->impl != NULL) { /* nothing can be read: all comes from the old catalogue */
		f.text = BYTES_NONE;
		f.error = 13;
	}
	return file(arg, &f);
}

static void
compile(const struct catalogue *old, bool bad_file, bool keep)
{
	static struct proto_compile params = {.flat = 1, .nroots = 1, .generation = 7};
	struct source source = {.walk = walk, .impl = bad_file ? &source : NULL};
	struct compile_in in = {
	    .params = &params, .source = &source, .old = old, .now = 1790000000};
	struct compile_out out;
	struct arena a;

	in.conf_text = BYTES("address_pool = \"127.1.0.0/28\";");
	in.conf_file = BYTES("headgate.conf");
	arena_init(&a, 65536, 0);
	HG_CHECK(compile_run(&a, &in, &out) == HG_OK);
	if (keep) {
		int fd = blob_seal(out.catalogue, "base");
		ssize_t got;

		HG_CHECK(fd >= 0);
		nbase = (size_t)lseek(fd, 0, SEEK_END);
		base = mem_alloc(nbase);
		got = pread(fd, base, nbase, 0);
		HG_CHECK(got == (ssize_t)nbase);
		close(fd);
	}
	blob_writer_free(out.image);
	blob_writer_free(out.catalogue);
	arena_release(&a);
}

static void
edit(char *p, const uint8_t *e, unsigned nth)
{
	size_t span = nth % 4 == 3 ? HG_MIN(nbase, 512u) : nbase;
	size_t at = (size_t)(e[0] | e[1] << 8 | e[2] << 16) % (span - 8);
	uint32_t value, old;

	memcpy(&value, e + 4, 4);
	memcpy(&old, p + at, 4);
	switch (e[3] & 3) {
	case 0:
		p[at] = (char)value;
		return;
	case 1:
		value += old;
		break;
	case 2:
		at &= ~(size_t)3;
		break;
	default:
		value = UINT32_MAX;
		at &= ~(size_t)3;
	}
	memcpy(p + at, &value, 4);
}

static void
text(const struct catalogue *c, struct im_str s)
{
	struct bytes b = blob_text(&c->blob, s);

	for (size_t i = 0; i < b.n; i++)
		sink += (unsigned char)b.p[i];
}

static void
read_all(const struct catalogue *c)
{
	for (uint32_t i = 0; i < c->n_objects; i++) {
		const struct cat_object *o = &c->objects[i];

		text(c, o->json);
		text(c, o->status);
		text(c, o->source);
		text(c, o->uid);
		text(c, o->good);
		for (uint32_t k = 0; k < o->conditions.n; k++)
			text(c, c->conditions[o->conditions.first + k].where);
		sink +=
		    catalogue_find(c, blob_text(&c->blob, o->group), blob_text(&c->blob, o->kind),
			blob_text(&c->blob, o->ns), blob_text(&c->blob, o->name)) != NULL;
	}
	for (uint32_t i = 0; i < c->n_diags; i++)
		text(c, c->diags[i].message);
	for (uint32_t i = 0; i < c->n_ids; i++)
		text(c, c->ids[i].name);
	for (uint32_t i = 0; i < c->n_addresses; i++)
		text(c, c->addresses[i].gateway);
	text(c, c->info[0].node);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct catalogue c;
	char *copy;
	int fd;

	if (base == NULL)
		compile(NULL, false, true);
	copy = mem_alloc(nbase);
	memcpy(copy, base, nbase);
	for (size_t i = 0; i + 8 <= n && i < 256; i += 8)
		edit(copy, data + i, (unsigned)(i / 8));
	fd = memfd_create("fuzz", MFD_CLOEXEC);
	HG_CHECK(fd >= 0 && write(fd, copy, nbase) == (ssize_t)nbase);
	if (catalogue_open(fd, true, &c) == HG_OK) {
		read_all(&c);
		compile(&c, false, false);
		compile(&c, true, false);
		catalogue_close(&c);
	}
	close(fd);
	mem_free(copy);
	return 0;
}
