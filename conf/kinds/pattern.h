/*
 * pattern.h - the distinct patterns of the CRDs (schema.h, struct pattern): their text, and a
 * reader by hand. Pure; the compiler and the CLI.
 */
#ifndef CONF_KINDS_PATTERN_H
#define CONF_KINDS_PATTERN_H

#include "conf/kinds/schema.h"

#define PT_LABEL "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
#define PT_SUBDOMAIN PT_LABEL "(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
#define PT_PATHCHARS "[A-Za-z0-9\\/\\-._~%!$&'()*+,;=:]+"

/* P(name, text, what it is) */
#define PATTERN_TABLE(P) \
	P(label, "^" PT_LABEL "$", "a DNS label: a-z, 0-9 and '-', not at its ends") \
	P(subdomain, "^" PT_SUBDOMAIN "$", "a DNS name in lower case, without a final dot") \
	P(group, "^$|^" PT_SUBDOMAIN "$", "an API group: empty, or a DNS name in lower case") \
	P(kind, "^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$", "a kind: letters, digits and '-'") \
	P(hostname, "^(\\*\\.)?" PT_SUBDOMAIN "$", \
	    "a DNS name in lower case; the first label may be '*'") \
	P(header_name, "^[A-Za-z0-9!#$%&'*+\\-.^_\\x60|~]+$", "a field name (RFC 9110 token)") \
	P(header_value, "^[!-~]+([\\t ]?[!-~]+)*$", "visible ASCII with single blanks between") \
	P(duration, "^([0-9]{1,5}(h|m|s|ms)){1,4}$", "a duration such as 500ms, 5s or 1m30s") \
	P(controller, "^" PT_SUBDOMAIN "\\/" PT_PATHCHARS "$", "a controller name: domain/path") \
	P(address_type, "^Hostname|IPAddress|NamedAddress|" PT_SUBDOMAIN "\\/" PT_PATHCHARS "$", \
	    "IPAddress, Hostname, NamedAddress, or domain/path") \
	P(protocol, "^[a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?$|" PT_SUBDOMAIN "\\/[A-Za-z0-9]+$", \
	    "HTTP, HTTPS, TLS, TCP, UDP, or domain/name") \
	P(origin, "(^\\*$)|(^(http(s)?):\\/\\/(((\\*\\.)?([a-zA-Z0-9\\-]+\\.)*[a-zA-Z0-9-]+|\\*)" \
	    "(:([0-9]{1,5}))?)$)", "'*', or http[s]://host[:port]") \
	P(path, "^(?:[-A-Za-z0-9/._~!$&'()*+,;=:@]|[%][0-9a-fA-F]{2})+$", \
	    "characters of a URL path") \
	P(uri, "^(([^:/?#]+):)(//([^/?#]*))([^?#]*)(\\?([^#]*))?(#(.*))?", \
	    "a URI with scheme and //") \
	P(well_known_ca, \
	    "^(System|(" PT_SUBDOMAIN "/([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9]))$", \
	    "System, or domain/name") \
	P(label_value, "^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$", \
	    "a label value: letters, digits, '-', '_', '.', not at its ends") \
	P(attribute_key, "^[a-z0-9_.-]+$", "an attribute: a-z, 0-9, '_', '.', '-'") \
	P(attribute_name, "^[a-zA-Z0-9_.:/-]+$", "letters, digits and _ . : / -") \
	P(span_name, "^[a-zA-Z0-9_.:/-]+( [a-zA-Z0-9_.:/-]+)*$", \
	    "words of letters, digits and _ . : / -") \
	P(reason, "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$", "a reason in CamelCase") \
	P(condition_type, "^(" PT_SUBDOMAIN "/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$", \
	    "a condition type, CamelCase or domain/CamelCase") \
	P(meta_key, "^(" PT_SUBDOMAIN "/)?([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9]$", \
	    "an optional DNS name and '/', then at most 63 letters, digits, '-', '_', '.'") \
	P(grpc_service, "^(?i)\\.?[a-z_][a-z_0-9]*(\\.[a-z_][a-z_0-9]*)*$", \
	    "a service, such as pkg.Service") \
	P(grpc_method, "^[A-Za-z_][A-Za-z_0-9]*$", "a method name") \
	P(data_key, "^[-._a-zA-Z0-9]+$", "letters, digits, '-', '_', '.'")

#define P(name, text, what) extern const struct pattern pat_##name;
PATTERN_TABLE(P)
#undef P

/* All of them, for tests. */
extern const struct pattern *const pattern_all[];
extern const unsigned pattern_count;

#endif
