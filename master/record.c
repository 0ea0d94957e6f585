/*
 * record.c - what the master says about reloads and itself, as JSON (shm/ctl.h). Each reload is one
 * record with one shape: answered to who waits, kept as reload.json in the runtime folder, part of
 * `status`.
 */
#include <errno.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/version.h"
#include "master/state.h"

#define RECORD_FILE "reload.json"

static void
put_time(struct json *j, const char *key, int64_t ns)
{
	char text[21];

	clock_rfc3339(ns / (int64_t)SEC_NS, text);
	json_key(j, key);
	json_strz(j, text);
}

static void
put_int(struct json *j, const char *key, uint64_t v)
{
	json_key(j, key);
	json_int(j, (int64_t)v);
}

static void
put_record(struct json *j, const struct reload_record *r)
{
	const struct proto_result *n = &r->result;
	const char *result = !r->ok ? "rejected" : n->errors || n->stale ? "partial" : "applied";

	json_object(j);
	json_key(j, "ok");
	json_bool(j, r->ok);
	put_int(j, "id", r->id);
	json_key(j, "result");
	json_strz(j, result);
	put_int(j, "generation", r->generation);
	put_int(j, "errors", n->errors);
	put_int(j, "warnings", n->warnings);
	put_int(j, "stale", n->stale);
	put_int(j, "gateways", n->gateways);
	put_int(j, "listeners", n->listeners);
	put_int(j, "routes", n->routes);
	put_int(j, "objects", n->objects);
	put_int(j, "ms", r->ms);
	json_key(j, "phase");
	json_strz(j, reload_state_name((enum reload_state)r->phase));
	json_key(j, "message");
	json_strz(j, r->message);
	put_time(j, "started", r->started_ns);
	put_time(j, "finished", r->finished_ns);
	json_end(j, '}');
}

void
record_text(const struct reload_record *r, struct strbuf *out)
{
	struct json j;

	json_init(&j, out, false);
	put_record(&j, r);
}

static void
put_worker(struct json *j, const struct master *m, unsigned i)
{
	const struct slot_segment *s = m->regions.segments[i];

	json_object(j);
	put_int(j, "slot", i);
	put_int(j, "pid", m->slots[i].child ? (uint64_t)m->slots[i].child->pid : 0);
	put_int(j, "active", atomic_load(&s->active));
	put_int(j, "connections", atomic_load(&s->connections));
	put_int(j, "exchanges", atomic_load(&s->exchanges));
	put_int(j, "tunnels", atomic_load(&s->tunnels));
	json_end(j, '}');
}

void
record_status(const struct master *m, struct strbuf *out)
{
	struct json j;

	json_init(&j, out, false);
	json_object(&j);
	json_key(&j, "ok");
	json_bool(&j, true);
	put_int(&j, "pid", (uint64_t)getpid());
	json_key(&j, "version");
	json_strz(&j, version_text());
	json_key(&j, "build");
	json_strz(&j, version_build());
	put_time(&j, "started", (int64_t)m->started);
	put_int(&j, "generation", m->reload.published);
	json_key(&j, "state");
	json_strz(&j, m->stopping != STOP_NO ? "stopping" : reload_state_name(m->reload.state));
	json_key(&j, "reload");
	if (m->reload.last.id)
		put_record(&j, &m->reload.last);
	else
		json_null(&j);
	json_key(&j, "workers");
	json_array(&j);
	for (unsigned i = 0; i < m->nslots && m->regions.segments[i]; i++)
		put_worker(&j, m, i);
	json_end(&j, ']');
	json_end(&j, '}');
}

void
record_write(struct master *m, const struct reload_record *r)
{
	struct strbuf text = STRBUF_INIT;

	record_text(r, &text);
	strbuf_addc(&text, '\n');
	if (dirs_put(m->dirs.runtime, RECORD_FILE, strbuf_bytes(&text), m->service ? 0644 : 0600) !=
	    0)
		log_warn("cannot write %s: %s", RECORD_FILE, strerror(errno));
	strbuf_release(&text);
}
