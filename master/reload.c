/*
 * reload.c - the state machine. It knows votes and deadlines and calls everything else through its
 * ops, so that a test can walk every path with made-up events, death of a worker in each state
 * included.
 *
 * Live slots vote. A slot that has no process when the offer is made does not; it takes `published`
 * when it starts. A voter that dies before it looked at the image is replaced, and once it serves
 * the old generation it is asked again, once: an unlucky crash must not cost a reload. One that
 * dies over the image aborts: the image is the likelier cause and the others would follow.
 *
 * Generation numbers are never used twice, also not after an abort: a late READY of the aborted one
 * must not count. Rejected: a vote by majority (a generation that one worker cannot map is broken),
 * and waiting for old connections (they hold no generation, DESIGN section 5).
 */
#include "master/reload.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"

const char *
reload_state_name(enum reload_state s)
{
	static const char *const names[] = {
#define S(name, text) text,
	    RELOAD_STATES(S)
#undef S
	};

	HG_CHECK(s < RELOAD_STATE_COUNT);
	return names[s];
}

void
reload_init(struct reload *r, const struct reload_ops *ops, void *arg, uint64_t generation)
{
	*r = (struct reload){
	    .ops = ops, .arg = arg, .next_id = 1, .next_generation = generation + 1};
}

static void
enter(struct reload *r, enum reload_state s, uint32_t deadline_ms)
{
	r->state = s;
	r->ops->deadline(r->arg, deadline_ms);
}

/* ---- the end of a transaction */

static void begin(struct reload *, uint64_t id);

static void
finish(struct reload *r, bool ok, const char *message)
{
	r->record.ok = ok;
	r->record.phase = (uint8_t)(ok ? RELOAD_IDLE : r->state);
	r->record.finished_ns = (int64_t)clock_real();
	r->record.ms = (clock_mono() - r->started) / MS_NS;
	r->record.generation = r->published;
	(void)snprintf(r->record.message, sizeof(r->record.message), "%s", message);
	r->last = r->record;
	enter(r, RELOAD_IDLE, 0);
	r->ops->done(r->arg, &r->last);
	/* done() may have stopped everything; a request that waited is served with the files of
	 * now. */
	if (r->state == RELOAD_IDLE && r->queued_id) {
		uint64_t id = r->queued_id;

		r->queued_id = 0;
		begin(r, id);
	}
}

static void
reject(struct reload *r, const char *fmt, ...) HG_PRINTF(2, 3);
static void
reject(struct reload *r, const char *fmt, ...)
{
	char why[1024];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	r->ops->cancel(r->arg, r->generation, r->state == RELOAD_OFFERED);
	finish(r, false, why);
}

/* ---- from a request to the offer */

static void
begin(struct reload *r, uint64_t id)
{
	char why[256] = "";

	r->id = id;
	r->generation = r->next_generation++;
	r->started = clock_mono();
	r->record = (struct reload_record){.id = id, .started_ns = (int64_t)clock_real()};
	memset(r->vote, VOTE_NONE, sizeof(r->vote));
	memset(r->again, 0, sizeof(r->again));
	enter(r, RELOAD_COMPILING, RELOAD_COMPILE_MS);
	if (r->ops->compile(r->arg, r->generation, why) != 0)
		reject(r, "cannot compile: %s", why);
}

uint64_t
reload_request(struct reload *r)
{
	if (r->state == RELOAD_IDLE) {
		uint64_t id = r->next_id++;

		begin(r, id);
		return id;
	}
	/* The files may have changed after the compiler read them: the waiting one sees all of
	 * that. */
	if (!r->queued_id)
		r->queued_id = r->next_id++;
	return r->queued_id;
}

void
reload_binding(struct reload *r)
{
	if (r->state == RELOAD_COMPILING)
		r->state = RELOAD_BINDING; /* the compile's deadline goes on */
}

static void committed(struct reload *);

static void
count_votes(struct reload *r)
{
	for (unsigned i = 0; i < r->nslots; i++)
		if (r->vote[i] == VOTE_ASKED || r->vote[i] == VOTE_AGAIN)
			return;
	committed(r);
}

void
reload_result(struct reload *r, const struct proto_result *result)
{
	char why[256] = "";

	if (r->state != RELOAD_COMPILING && r->state != RELOAD_BINDING)
		return;
	r->record.result = *result;
	if (r->ops->stage(r->arg, why) != 0) {
		reject(r, "%s", why);
		return;
	}
	enter(r, RELOAD_OFFERED, RELOAD_OFFER_MS);
	for (unsigned i = 0; i < r->nslots; i++) {
		if (!r->ops->live(r->arg, i))
			continue;
		r->vote[i] = VOTE_ASKED;
		r->ops->offer(r->arg, i, r->generation);
	}
	count_votes(r);
}

void
reload_failed(struct reload *r, const char *why)
{
	if (r->state == RELOAD_COMPILING || r->state == RELOAD_BINDING)
		reject(r, "%s", why);
}

/* ---- votes */

void
reload_ready(struct reload *r, unsigned slot, uint64_t generation)
{
	if (r->state != RELOAD_OFFERED || generation != r->generation ||
	    r->vote[slot] != VOTE_ASKED)
		return;
	r->vote[slot] = VOTE_READY;
	count_votes(r);
}

void
reload_refused(struct reload *r, unsigned slot, uint64_t generation, const char *why)
{
	if (r->state == RELOAD_OFFERED && generation == r->generation)
		reject(r, "worker %u refused generation %llu: %s", slot,
		    (unsigned long long)generation, why);
}

static void
committed(struct reload *r)
{
	/* A process that was starting while the others voted has been offered only the old
	 * generation, which will never be `published` again: without this it would wait for ever,
	 * and its share of clients too. */
	for (unsigned i = 0; i < r->nslots; i++)
		if (r->vote[i] == VOTE_NONE && r->ops->late(r->arg, i, r->generation))
			r->vote[i] = VOTE_READY;
	r->ops->commit(r->arg, r->generation);
	r->published = r->generation;
	enter(r, RELOAD_COMMITTED, RELOAD_COMMIT_MS);
}

static void
drain(struct reload *r)
{
	enter(r, RELOAD_DRAINING, RELOAD_DRAIN_MS);
	if (!r->ops->settle(r->arg))
		finish(r, true, r->record.result.summary);
}

static void
count_active(struct reload *r)
{
	for (unsigned i = 0; i < r->nslots; i++)
		if (r->vote[i] == VOTE_READY)
			return;
	drain(r);
}

void
reload_active(struct reload *r, unsigned slot, uint64_t generation)
{
	if (r->state == RELOAD_OFFERED && r->vote[slot] == VOTE_AGAIN &&
	    generation == r->published) {
		/* The successor serves the old one: now it may be asked. */
		r->vote[slot] = VOTE_ASKED;
		r->ops->offer(r->arg, slot, r->generation);
		return;
	}
	if (r->state != RELOAD_COMMITTED || generation != r->generation)
		return;
	r->vote[slot] = VOTE_ACTIVE;
	count_active(r);
}

void
reload_died(struct reload *r, unsigned slot, bool adopting)
{
	if (r->state == RELOAD_COMMITTED && r->vote[slot] == VOTE_READY) {
		/* Its successor takes `published`; the transaction is decided and need not wait. */
		r->vote[slot] = VOTE_NONE;
		count_active(r);
		return;
	}
	if (r->state != RELOAD_OFFERED || r->vote[slot] == VOTE_NONE)
		return;
	if (adopting || r->again[slot] || r->vote[slot] == VOTE_READY || r->published == 0) {
		reject(r, "worker %u died %s generation %llu", slot,
		    r->vote[slot] == VOTE_READY ? "after it had adopted" : "adopting",
		    (unsigned long long)r->generation);
		return;
	}
	r->again[slot] = true;
	r->vote[slot] = VOTE_AGAIN;
}

/* ---- the rest */

void
reload_settled(struct reload *r)
{
	if (r->state == RELOAD_DRAINING)
		finish(r, true, r->record.result.summary);
}

void
reload_deadline(struct reload *r)
{
	switch (r->state) {
	case RELOAD_COMPILING:
	case RELOAD_BINDING:
		reject(r, "the compiler took longer than %u s", RELOAD_COMPILE_MS / 1000);
		break;
	case RELOAD_OFFERED:
		for (unsigned i = 0; i < r->nslots; i++)
			if (r->vote[i] == VOTE_ASKED || r->vote[i] == VOTE_AGAIN) {
				reject(r, "worker %u did not adopt generation %llu within %u s", i,
				    (unsigned long long)r->generation, RELOAD_OFFER_MS / 1000);
				return;
			}
		break;
	case RELOAD_COMMITTED:
		drain(r);
		break;
	case RELOAD_DRAINING:
		r->ops->settle_now(r->arg);
		finish(r, true, r->record.result.summary);
		break;
	case RELOAD_IDLE:
	case RELOAD_STATE_COUNT:
		break;
	}
}

void
reload_stop(struct reload *r)
{
	r->queued_id = 0;
	if (r->state == RELOAD_IDLE)
		return;
	if (r->state == RELOAD_COMMITTED || r->state == RELOAD_DRAINING) {
		r->ops->settle_now(r->arg);
		finish(r, true, r->record.result.summary);
		return;
	}
	reject(r, "headgate is stopping");
}
