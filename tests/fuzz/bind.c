/*
 * bind.c - any bytes as a manifest, as libconfig resources (first byte 2) or as headgate.conf (3),
 * through reader and binder. What must hold: no crash; every diagnostic has a place; an object
 * either binds without an error or is not there; what binds prints as JSON that binds to the same
 * content, and as YAML that reads as the same tree.
 */
#include "base/check.h"
#include "base/strbuf.h"
#include "conf/kinds/load.h"
#include "conf/read/codes.h"
#include "conf/read/read.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

struct run {
	struct arena arena;
	struct diags diags;
};

static int
take_tree(void *arg, struct node *n)
{
	*(struct node **)arg = n;
	return 1;
}

static void
print_and_read(struct run *r, struct object *o)
{
	struct strbuf json = STRBUF_INIT, yaml = STRBUF_INIT;
	struct node *tree = NULL;
	struct object *again;
	struct diags d;

	object_to_json(o, &json);
	again = object_from_json(&r->arena, strbuf_bytes(&json), o->source);
	HG_CHECK(again && again->hash[0] == o->hash[0] && again->hash[1] == o->hash[1]);
	strbuf_reset(&json);
	object_print_json(o, "u", 1, "2026-01-01T00:00:00Z", &json);
	HG_CHECK(bytes_utf8(strbuf_bytes(&json), NULL));
	node_prune_nulls(o->node);
	node_print_yaml(o->node, 0, &yaml);
	diags_init(&d, &r->arena);
	read_text(&r->arena, &d, BYTES("y.yaml"), arena_bytes(&r->arena, strbuf_bytes(&yaml)), 0,
	    BYTES_NONE, take_tree, &tree);
	HG_CHECK(tree && d.errors == 0 && node_equal(tree, o->node));
	strbuf_release(&json);
	strbuf_release(&yaml);
}

static int
resource(void *arg, struct node *n)
{
	struct run *r = arg;
	uint32_t before = r->diags.errors;
	struct bind_id id;
	struct object *o = object_bind(&r->arena, &r->diags, n, &id);

	HG_CHECK((o != NULL) == (r->diags.errors == before && !id.ignored));
	HG_CHECK(!o || (id.known && id.kind == o->kind && o->meta.name.n > 0 && o->spec));
	if (o)
		print_and_read(r, o);
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes text = bytes_of((const char *)data + (size > 0), size > 0 ? size - 1 : 0);
	struct run r;

	arena_init(&r.arena, 4096, 0);
	diags_init(&r.diags, &r.arena);
	if (size && data[0] == '3')
		load_conf(&r.arena, &r.diags, BYTES("headgate.conf"), text);
	else
		read_text(&r.arena, &r.diags,
		    size && data[0] == '2' ? BYTES("f.conf") : BYTES("f.yaml"), text, 0, BYTES_NONE,
		    resource, &r);
	for (const struct diag *d = r.diags.first; d; d = d->next)
		HG_CHECK(d->message.n > 0 && d->code != CODE_INTERNAL);
	HG_CHECK(r.arena.used < (256u << 20));
	arena_release(&r.arena);
	return 0;
}
