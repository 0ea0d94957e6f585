/*
 * compile.c - one generation from text: read, resolve, bind, statuses, build, catalogue (DESIGN
 * section 5). The same code runs in the jailed compiler child and, without sockets, under the
 * offline verbs. Only headgate.conf, a dead source, or a bound of the whole refuse a generation;
 * everything else is a diagnosis of one object.
 *
 * The note page says which file is being read: if this process dies there, the master starts
 * another with that file on the skip list, and its objects keep their last good content.
 */
#include "conf/compile.h"

#include "base/clock.h"
#include "base/hash.h"
#include "conf/build/build.h"
#include "conf/read/doccache.h"
#include "conf/resolve/resolve.h"
#include "conf/resolve/stale.h"

static void
copy(char *out, size_t cap, struct bytes b)
{
	size_t n = HG_MIN(b.n, cap - 1);

	if (n != 0)
		memcpy(out, b.p, n);
	out[n] = '\0';
}

static int
before_file(void *arg, struct bytes path)
{
	struct proto_note *note = arg;

	for (uint32_t i = 0; i < note->nskip && i < HG_ARRAY_LEN(note->skip); i++)
		if (bytes_eq(path,
			bytes_of(note->skip[i], strnlen(note->skip[i], sizeof(note->skip[i])))))
			return 1;
	copy(note->file, sizeof(note->file), path);
	return 0;
}

/* What applies at a start only. */
static void
settings(const struct k_headgate *k, struct proto_settings *s)
{
	bool file = k->access_log != NULL && k->access_log->path.p != NULL;

	s->workers = k->workers.v > 0 ? (uint32_t)k->workers.v : 0;
	s->log_off = k->settings != NULL && k->settings->access_log == IM_LOG_OFF;
	copy(s->user, sizeof(s->user), k->user);
	copy(s->group, sizeof(s->group), k->group);
	copy(s->access_log, sizeof(s->access_log), file ? k->access_log->path : BYTES_NONE);
	copy(s->admin, sizeof(s->admin), k->admin_address);
}

static void
conf_hash(const struct k_headgate *k, struct resolve_info *info)
{
	struct proto_settings s;
	struct hash128 h;

	memset(&s, 0, sizeof(s));
	settings(k, &s);
	h = hash_content(&s, sizeof(s));
	info->conf_hash[0] = h.a;
	info->conf_hash[1] = h.b;
}

/* The first error in one line, as `-o short` prints it. */
static void
summary(struct compile_out *out)
{
	const struct diag *d = out->diags.first;

	while (d != NULL && d->severity != DIAG_ERROR)
		d = d->next;
	if (d == NULL)
		return;
	snprintf(out->result.summary, sizeof(out->result.summary),
	    "%.*s:%u:%u: error[HG%04u]: %.*s", BYTES_ARG(d->file), d->at.line, d->at.col, d->code,
	    BYTES_ARG(d->message));
}

static enum hg_err
refuse(struct compile_out *out, enum hg_err e)
{
	out->result.errors = HG_MAX(out->diags.errors, 1u);
	out->result.warnings = out->diags.warnings;
	summary(out);
	if (out->result.summary[0] == '\0')
		snprintf(out->result.summary, sizeof(out->result.summary), "%s", err_text(e));
	return e;
}

static int
bind_all(struct arena *a, const struct compile_in *in, const struct scope *sc, const int32_t **err)
{
	const struct proto_sockkey *keys;
	uint32_t n = resolve_sockets(sc, &keys);
	int32_t *v;

	*err = NULL;
	if (in->bind == NULL)
		return 0;
	v = arena_zalloc(a, (n + 1) * sizeof(*v));
	*err = v;
	return n == 0 ? 0 : in->bind(in->bind_arg, keys, n, v);
}

static enum hg_err
generate(struct arena *a, const struct compile_in *in, struct compile_out *out,
    const struct resolve_in *ri, struct resolve_info *info, uint64_t start)
{
	struct scope *sc = resolve_run(a, ri);
	struct build_stats stats;
	const struct model *model;
	const int32_t *err;
	enum hg_err e = HG_OK;

	if (bind_all(a, in, sc, &err) != 0) {
		e = HG_ERR_IO;
	} else {
		model = resolve_bound(sc, err);
		e = build_all(model, &out->image, &out->secrets, &stats);
	}
	if (e == HG_OK) {
		info->compile_ms = (uint32_t)((clock_mono() - start) / MS_NS);
		out->catalogue = resolve_record(sc, info);
		resolve_count(sc, &out->result);
	}
	resolve_free(sc);
	return e;
}

/* Before anything but headgate.conf is read (master/reader.c). A source that cannot take them is
 * dead, which the walk will say. */
static void
file_roots(struct source *s, const struct k_headgate *k)
{
	for (uint32_t i = 0; s->allow != NULL && i < k->file_roots.n; i++)
		if (k->file_roots.v[i].p[0] == '/')
			(void)s->allow(s, k->file_roots.v[i]);
}

enum hg_err
compile_run(struct arena *a, const struct compile_in *in, struct compile_out *out)
{
	struct resolve_info info = {.diags = &out->diags};
	struct resolve_in ri = {.old = in->old, .diags = &out->diags, .now = in->now,
	    .generation = in->params->generation, .node = in->params->node,
	    .offline = in->bind == NULL, .source = in->source, .roles = in->params->flat == 0};
	uint64_t start = clock_mono();
	struct doccache *documents;
	struct load load;
	enum hg_err e;
	int r;

	memset(out, 0, sizeof(*out));
	memset(&load, 0, sizeof(load));
	diags_init(&out->diags, a);
	out->conf = load_conf(a, &out->diags, in->conf_file, in->conf_text);
	if (out->conf == NULL)
		return refuse(out, HG_ERR_INVALID);
	settings(out->conf, &out->result.settings);
	conf_hash(out->conf, &info);
	file_roots(in->source, out->conf);
	documents = doccache_new(a, in->old);
	info.documents = documents;
	r = load_objects_cached(a, &out->diags, in->source, in->params->nroots,
	    in->params->flat != 0, in->note == NULL ? NULL : before_file, in->note, documents,
	    &load);
	if (in->note != NULL)
		in->note->file[0] = '\0';
	if (r != 0) {
		doccache_free(documents);
		return refuse(out, HG_ERR_IO);
	}
	info.files = load.files;
	ri.stale = stale_restore(a, &load, in->old, &ri.nstale);
	ri.objects = &load.objects;
	ri.bad = load.bad;
	ri.conf = out->conf;
	e = generate(a, in, out, &ri, &info, start);
	doccache_free(documents);
	if (e != HG_OK)
		return refuse(out, e);
	out->result.errors = out->diags.errors;
	out->result.warnings = out->diags.warnings;
	summary(out);
	return HG_OK;
}
