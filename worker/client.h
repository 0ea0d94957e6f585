/*
 * client.h - a listener's ClientTrafficPolicy on an exchange: who asks, what the head must look
 * like, edits before routing and after everything else. An image without such policies costs one
 * compare a request.
 */
#ifndef WORKER_CLIENT_H
#define WORKER_CLIENT_H

#include "worker/exchange.h"

/* The head is here; nothing was read from it yet. Sets x->client. */
enum step_result client_admit(struct exchange *);
/* The last word about an answer's head. */
void client_late(struct exchange *, struct msg *answer);
/* The generation goes: copies what client_late() needs. */
void client_keep(struct exchange *);

/* The path as the policy wants it before it is made canonical: merged slashes, decoded %2F and %5C
 * (*decoded). NULL text: no memory. */
struct bytes client_path(
    struct arena *, const struct im_client *, struct bytes path, bool *decoded);

#endif
