/*
 * certfile.c - certificates in files (a headgate reference, certificate.h). Read anew by each
 * compile, through the reader with its rules of ownership, so that a renewed file is picked up by a
 * reload and without an edit of the manifest. A file that is there and cannot be used any more
 * keeps its last good content, as a Secret does: the catalogue remembers its text. One that is gone
 * is gone. A file is judged once, however many listeners name it, and one that has not changed is
 * not asked again whether its key fits.
 */
#include <errno.h>

#include "base/hash.h"
#include "base/pem.h"
#include "conf/read/read.h"
#include "conf/read/source.h"
#include "conf/read/walk.h"
#include "conf/resolve/certificate.h"

struct r_file {
	const char *path;
	struct bytes crt, key, ocsp; /* what is served */
	uint64_t hash[2];            /* of that */
	struct m_cert *cert;         /* NULL: not usable */
	const char *why;             /* what is wrong with its present content, or NULL */
	struct r_file *next;
};

static struct bytes
text(struct scope *sc, const char *path, int *error)
{
	struct source_file f = {0};

	*error = ENOENT;
	if (sc->in.source == NULL)
		return BYTES_NONE;
	if (sc->in.source->open(sc->in.source, bytes_str(path), sc->arena, &f) != 0)
		return BYTES_NONE;
	*error = f.error;
	return f.error == 0 ? f.text : BYTES_NONE;
}

static const struct cat_file *
remembered(struct scope *sc, const char *path)
{
	const struct catalogue *old = sc->in.old;

	if (sc->certfiles == NULL && old != NULL) /* the first one that is asked for */
		for (uint32_t i = 0; i < old->n_certfiles; i++)
			map_put(&sc->old_files, blob_text(&old->blob, old->certfiles[i].path),
			    (void *)(uintptr_t)&old->certfiles[i]);
	return map_get(&sc->old_files, bytes_str(path));
}

static void
digest(struct r_file *f)
{
	struct bytes v[] = {f->crt, f->key, f->ocsp.p != NULL ? f->ocsp : BYTES("")};

	pem_digest(f->hash, v, HG_ARRAY_LEN(v));
}

/* One file with certificates and key, or NAME.crt (or .pem) beside NAME.key; a staple in
 * FILE.ocsp. errno of the first one. */
static int
read_all(struct scope *sc, struct r_file *f)
{
	ptrdiff_t dot = bytes_rchr(bytes_str(f->path), '.');
	int error, ignored;

	f->crt = f->key = text(sc, f->path, &error);
	if (error != 0)
		return error;
	if (memmem(f->crt.p, f->crt.n, "PRIVATE KEY-----", 16) == NULL && dot > 0)
		f->key =
		    text(sc, arena_printf(sc->arena, "%.*s.key", (int)dot, f->path), &ignored);
	f->ocsp = text(sc, arena_printf(sc->arena, "%s.ocsp", f->path), &ignored);
	return 0;
}

static void
judge(struct scope *sc, struct r_file *f)
{
	const struct cat_file *old = remembered(sc, f->path);
	int error = read_all(sc, f);
	bool known = false;
	const char *ignored;

	if (error == 0) {
		digest(f);
		known = old != NULL && old->hash[0] == f->hash[0] && old->hash[1] == f->hash[1];
		f->cert = certificate_new(sc, f->crt, f->key, f->ocsp, known, &f->why);
	} else {
		f->why = read_file_why(error);
	}
	if (f->why == NULL || known) /* it expired while it was served: nobody gains if it is not */
		return;
	f->cert = NULL;
	if (old == NULL || error == ENOENT)
		return;
	f->crt = blob_text(&sc->in.old->blob, old->crt);
	f->key = blob_text(&sc->in.old->blob, old->key);
	f->ocsp = blob_text(&sc->in.old->blob, old->ocsp);
	digest(f);
	f->cert = certificate_new(sc, f->crt, f->key, f->ocsp, true, &ignored);
}

static bool
listed(struct scope *sc, const char *path)
{
	const k_strings *roots = &sc->in.conf->file_roots;

	for (uint32_t i = 0; i < roots->n; i++)
		if (walk_below(arena_dup(sc->arena, roots->v[i]), path) != NULL)
			return true;
	return false;
}

/* As the source knows it (source.h): with roles, a relative name stays in the folder of the role
 * that says it. *why where it is not for this role. */
static const char *
path_of(struct scope *sc, enum kind_id from, struct bytes ns, const struct k_object_ref *r,
    const char **why)
{
	const char *name = arena_dup(sc->arena, r->name);
	const struct doc *doc = r->node != NULL ? r->node->doc : NULL;
	uint8_t role = doc != NULL ? doc->role : PROTO_ROLE_FLAT;

	if (!sc->in.roles)
		return name;
	/* Last good content does not know where it came from: the least that its kind can be. */
	if (role == PROTO_ROLE_FLAT)
		role = from == KIND_BACKEND ? PROTO_ROLE_ROUTES : PROTO_ROLE_INFRA;
	if (name[0] == '/' && role == PROTO_ROLE_ROUTES)
		*why = "from routes.d only files of the namespace's own folder can be named, "
		       "relative to it";
	else if (name[0] == '/' && !listed(sc, name))
		*why = "it is not under file_roots";
	if (name[0] == '/')
		return name;
	if (role == PROTO_ROLE_ROUTES)
		return arena_printf(sc->arena, "routes.d/%.*s/%s", BYTES_ARG(ns), name);
	return arena_printf(
	    sc->arena, "%s/%s", role == PROTO_ROLE_SECURITY ? "security.d" : "infra.d", name);
}

struct m_cert *
certfile_get(struct scope *sc, enum kind_id from, struct bytes ns, const struct k_object_ref *r,
    struct faults *faults)
{
	struct r_file *f;
	const char *why = NULL, *path = path_of(sc, from, ns, r, &why);

	if (why != NULL) {
		fault_add(sc, faults, REF_NOT_FOUND, r->node, "file %s: %s", path, why);
		return NULL;
	}
	f = map_get(&sc->files, bytes_str(path));
	if (f == NULL) {
		f = arena_zalloc(sc->arena, sizeof(*f));
		f->path = path;
		judge(sc, f);
		f->next = sc->certfiles;
		sc->certfiles = f;
		map_put(&sc->files, bytes_str(path), f);
	}
	if (f->why != NULL)
		fault_add(sc, faults, REF_NOT_FOUND, r->node, "file %s: %s%s", f->path, f->why,
		    f->cert != NULL ? "; its last good certificate is served" : "");
	certificate_warn(sc, f->cert, r->node);
	return f->cert;
}

void
certfile_record(const struct scope *sc, struct blob_writer *w)
{
	for (const struct r_file *f = sc->certfiles; f != NULL; f = f->next) {
		struct cat_file r = {.hash = {f->hash[0], f->hash[1]}};

		if (f->cert == NULL)
			continue;
		r.path = blob_put_text(w, bytes_str(f->path));
		r.crt = blob_put_text(w, f->crt);
		r.key = blob_put_text(w, f->key);
		r.ocsp = blob_put_text(w, f->ocsp);
		blob_add(w, CAT_CERTFILE, &r, 1, sizeof(r));
	}
}
