/*
 * fault.c - faults on purpose: a pause, then an answer that no backend gave. Chances are parts in a
 * million, drawn anew for each. The pause uses the exchange's own timer for pauses, so a client
 * that leaves meanwhile ends it like any other wait.
 */
#include "http/grpc.h"
#include "worker/protect/protect.h"

#define NO_GRPC 255

static bool
drawn(struct exchange *x, uint32_t ppm)
{
	return ppm >= 1000000 || (ppm && worker_random(x->w) % 1000000 < ppm);
}

static enum step_result
abort_now(struct exchange *x, const struct im_policy *p)
{
	METRIC(x->w, faults, 1);
	x->reason = "fault";
	x->own_text = BYTES("fault filter abort");
	if (p->abort_grpc == NO_GRPC)
		return exchange_answer(x, p->abort_status);
	x->own_grpc = (uint8_t)(p->abort_grpc + 1);
	return exchange_answer(x, (uint16_t)grpc_to_http(p->abort_grpc));
}

enum step_result
fault_run(struct exchange *x)
{
	const struct im_policy *p = protect_policy(x);

	if (!x->delayed && p->delay_ms && drawn(x, p->delay_ppm)) {
		x->delayed = true;
		x->row--; /* again, for the abort */
		METRIC(x->w, faults, 1);
		timer_in(x->w->loop, &x->pause, p->delay_ms);
		return STEP_WAIT;
	}
	if (p->abort_status == 0 && p->abort_grpc == NO_GRPC)
		return STEP_NEXT;
	return drawn(x, p->abort_ppm) ? abort_now(x, p) : STEP_NEXT;
}
