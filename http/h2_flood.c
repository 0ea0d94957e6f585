/*
 * h2_flood.c - budgets of what is legal but costs us (RFC 9113 section 10.5). Glitches are the
 * strict one: refilled by time alone, spent it ends the connection. What honest peers say to
 * answers goes by another, filled by what they are sent: updates of both windows, to find the size
 * of their pipe (gRPC) a PING, and an update of five bytes where a gRPC stream begins. The two are
 * apart so that answers read byte by byte never pay for resets. A reset is a glitch only where it
 * goes past the bound on open streams, that is of a stream that has just begun: calls that a
 * deadline cancels by the hundred when a backend is slow are no attack.
 */
#include "base/clock.h"
#include "http/h2_core.h"

#define RAPID_MS 100u

void
h2_enough(struct h2 *c)
{
	if (c->calm)
		return;
	c->calm = true;
	if (c->role->calm)
		c->role->calm(c);
}

void
h2_glitch(struct h2 *c, unsigned cost)
{
	const struct h2_limits *l = c->env->h2;
	uint64_t now = loop_now(c->chan.loop);

	if (l->glitches == 0 || c->calm)
		return;
	c->glitch_left += (float)((double)(now - c->glitch_at) / (double)SEC_NS * l->glitch_rate);
	c->glitch_left = HG_MIN(c->glitch_left, (float)l->glitches) - (float)cost;
	c->glitch_at = now;
	if (c->glitch_left < 0)
		h2_enough(c);
}

void
h2_nudge(struct h2 *c)
{
	if (c->nudges)
		c->nudges--;
	else
		h2_glitch(c, 1);
}

void
h2_nudges(struct h2 *c, unsigned more)
{
	c->nudges = (uint16_t)HG_MIN(c->nudges + more, 1000u);
}

bool
h2_rapid(const struct h2 *c, const struct h2_stream *st)
{
	return c->role->server &&
	    !(st && loop_now(c->chan.loop) - st->born >= RAPID_MS * MS_NS);
}
