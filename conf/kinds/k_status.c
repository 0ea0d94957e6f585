/*
 * k_status.c - the schemas of status, for checking what headgate prints and for `explain`. Nothing
 * is bound by them (size 0): statuses are made by conf/resolve, and foreign ones are carried
 * through as node trees.
 */
#include "conf/kinds/k_gateway.h"
#include "conf/kinds/table.h"

struct k_nothing {
	char x; /* offsetof needs a member */
};

#define T k_nothing
#define STATUS(nm, label, dc, ...) KSTRUCT_(nm, 0, label, dc, __VA_ARGS__)

static const struct kfield condition_fields[] = {
	STR(x, "type", "What the condition is about.", .pattern = &pat_condition_type,
	    .max_len = 316, REQ),
	STR(x, "status", "True, False or Unknown.", NAMES("True", "False", "Unknown"), REQ),
	INT(x, "observedGeneration", "metadata.generation of the object that this was said about.",
	    AT_LEAST(0),
	    .flags = FF_INT64),
	STR(x, "lastTransitionTime", "When status changed last.", .flags = FF_REQUIRED |
	    FF_DATE_TIME),
	STR(x, "reason", "One word that programs can read.", .pattern = &pat_reason, CHARS(1, 1024),
	    REQ),
	STR(x, "message", "A sentence for people.", .max_len = 32768, REQ),
};
static STATUS(condition, "Condition", "One aspect of an object's state.");

#define CONDITIONS(...) \
	LIST(x, "conditions", "Aspects of the state.", ks_condition, MAP_BY("type"), __VA_ARGS__)

/* ---- GatewayClass */
static const struct kfield supported_feature_fields[] = {
	STR(x, "name", "Name of the feature.", REQ),
};
static STATUS(supported_feature, "SupportedFeature", "A feature of the Gateway API.");
#define COND_ACCEPTED "[{\"lastTransitionTime\":\"1970-01-01T00:00:00Z\",\"message\":\"Waiting " \
    "for controller\"," \
	"\"reason\":\"Pending\",\"status\":\"Unknown\",\"type\":\"Accepted\"}]"
#define COND_PROGRAMMED "[{\"lastTransitionTime\":\"1970-01-01T00:00:00Z\",\"message\":\"Waiting " \
    "for controller\"," \
	"\"reason\":\"Pending\",\"status\":\"Unknown\",\"type\":\"Accepted\"}," \
	"{\"lastTransitionTime\":\"1970-01-01T00:00:00Z\",\"message\":\"Waiting for controller\"," \
	"\"reason\":\"Pending\",\"status\":\"Unknown\",\"type\":\"Programmed\"}]"
static const struct kfield status_gatewayclass_fields[] = {
	CONDITIONS(ITEMS(0, 8), .def = COND_ACCEPTED),
	LIST(x, "supportedFeatures", "Features of the Gateway API that work.", ks_supported_feature,
	    ITEMS(0, 64),
	    MAP_BY("name")),
};
STATUS(status_gatewayclass, "GatewayClassStatus", "State of a GatewayClass.");

/* ---- Gateway, ListenerSet */
static const struct kfield status_kind_fields[] = {
	STR(x, "group", "API group of the route kind.", GROUP, TEXT("gateway.networking.k8s.io")),
	STR(x, "kind", "A route kind.", KINDNAME, REQ),
};
static STATUS(status_kind, "RouteGroupKind", "A kind of route.");
static const struct kfield status_listener_fields[] = {
	STR(x, "name", "Name of the listener.", SECTION, REQ),
	INT(x, "attachedRoutes", "Number of routes on the listener.", .int32 = true, REQ),
	LIST(x, "supportedKinds", "Kinds of routes that may attach.", ks_status_kind, ITEMS(0, 8)),
	CONDITIONS(ITEMS(0, 8), REQ),
};
static STATUS(status_listener, "ListenerStatus", "State of a listener.");
static const struct kfield status_address_fields[] = {
	STR(x, "type", "IPAddress, Hostname, NamedAddress, or domain/path.",
	    .pattern = &pat_address_type, CHARS(1, 253),
	    TEXT("IPAddress")),
	STR(x, "value", "The address.", CHARS(1, 253), REQ),
	STR(x, "routability", "From where the address is reachable.", .max_len = 253, .cel = 1,
	    EXP),
};
static STATUS(status_address, "GatewayStatusAddress", "An address in use.", .cel = 1);
static const struct kfield status_gateway_fields[] = {
	LIST(x, "addresses", "Addresses in use.", ks_status_address, ITEMS(0, 16)),
	INT(x, "attachedListenerSets", "Number of ListenerSets attached.", .int32 = true),
	CONDITIONS(ITEMS(0, 8), .def = COND_PROGRAMMED),
	LIST(x, "listeners", "State of each listener.", ks_status_listener, ITEMS(0, 64),
	    MAP_BY("name")),
};
STATUS(status_gateway, "GatewayStatus", "State of a Gateway.");
static const struct kfield status_listenerset_fields[] = {
	CONDITIONS(ITEMS(0, 8), .def = COND_PROGRAMMED),
	LIST(x, "listeners", "State of each listener.", ks_status_listener, ITEMS(0, 64),
	    MAP_BY("name")),
};
STATUS(status_listenerset, "ListenerSetStatus", "State of a ListenerSet.");

/* ---- routes and policies */
#define CONTROLLER \
	STR(x, "controllerName", "Who says so.", .pattern = &pat_controller, CHARS(1, 253), REQ)
static const struct kfield status_parent_fields[] = {
	STRUCT(x, "parentRef", "The parent, as the route names it.", ks_parent_ref, REQ),
	CONTROLLER,
	CONDITIONS(ITEMS(1, 8), REQ),
};
static STATUS(status_parent, "RouteParentStatus", "State of a route at one parent.");
static const struct kfield status_route_fields[] = {
	LIST(x, "parents", "State at each parent.", ks_status_parent, ITEMS(0, 32), REQ),
};
STATUS(status_route, "RouteStatus", "State of a route.");

static const struct kfield status_ancestor_fields[] = {
	STRUCT(x, "ancestorRef", "The object that this is about.", ks_parent_ref, REQ),
	CONTROLLER,
	CONDITIONS(ITEMS(1, 8), REQ),
};
static STATUS(status_ancestor, "PolicyAncestorStatus",
    "State of a policy at one Gateway or Service.");
static const struct kfield status_policy_fields[] = {
	LIST(x, "ancestors", "State at each ancestor.", ks_status_ancestor, ITEMS(0, 16), REQ),
};
STATUS(status_policy, "PolicyStatus", "State of a policy.");

static const struct kfield status_xancestor_fields[] = {
	STRUCT(x, "ancestorRef", "The object that this is about.", ks_parent_ref, REQ),
	CONTROLLER,
	CONDITIONS(),
};
static STATUS(status_xancestor, "BackendAncestorStatus", "State of an XBackend at one Gateway.");
static const struct kfield status_xbackend_fields[] = {
	LIST(x, "ancestors", "State at each ancestor.", ks_status_xancestor, ITEMS(0, 32)),
};
STATUS(status_xbackend, "BackendStatus", "State of an XBackend.");
static const struct kfield status_backend_fields[] = {
	CONDITIONS(ITEMS(0, 8)),
};
STATUS(status_backend, "BackendStatus", "State of a Backend.");
#undef T
