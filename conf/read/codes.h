/*
 * codes.h - every HGnnnn that people can meet, once: CODE(number, NAME, title, explanation). The
 * number is written without leading zeros (C would read octal). Codes are never reused; 02xx and
 * 2xxx are warnings, the others are errors. The explanation is what `headgate explain HGnnnn`
 * prints: what it means, what happens, what to do.
 *
 *   00xx syntax · 01xx schema · 02xx references · 03xx files, permission, ownership · 04xx TLS ·
 * 05xx bind and system · 06xx policy conflicts · 07xx patterns and matching · 08xx fleet · 2xxx
 * warnings · 9xxx internal
 */
#ifndef CONF_READ_CODES_H
#define CONF_READ_CODES_H

/* clang-format off */
#define CODE_TABLE(CODE) \
	/* 00xx syntax */ \
	CODE(1, SYNTAX, "syntax error", \
	    "The text is not well-formed YAML, JSON or libconfig at this place. Documents before it in the same file are " \
	    "used; nothing after it can be trusted, so objects that the rest of the file used to define keep their last " \
	    "good content. A common cause is indentation: keys of one mapping must start in one column.") \
	CODE(2, NOT_UTF8, "not UTF-8", \
	    "Resource files are UTF-8 (a byte order mark is fine). The message names the offset of the first byte that " \
	    "is not. Convert the file, for example: iconv -f latin1 -t utf-8 OLD > NEW.") \
	CODE(3, CONTROL_CHAR, "control character", \
	    "Control characters other than tab and line ends may not stand in a resource file. In a double-quoted YAML " \
	    "string write an escape instead.") \
	CODE(4, TAB_INDENT, "tab used as indentation", \
	    "YAML allows only spaces for indentation, because the width of a tab is not defined. Replace each leading tab " \
	    "by spaces. Tabs inside values and inside { } or [ ] are fine.") \
	CODE(5, DUPLICATE_KEY, "key given twice", \
	    "A mapping (libconfig: a group) has the same key twice. Many readers silently take one of the two; headgate " \
	    "refuses to guess. Remove one of them.") \
	CODE(6, TAG, "YAML tag not allowed", \
	    "Only the tags !!str, !!int, !!bool, !!float, !!null, !!map and !!seq are understood. Kubernetes manifests " \
	    "need none; application tags such as !Ref or !include belong to other tools, run those first.") \
	CODE(7, TAG_MISMATCH, "value does not fit its tag", \
	    "The value cannot be read as the type that its explicit YAML tag asks for, for example !!int abc.") \
	CODE(8, ALIAS, "unusable alias", \
	    "An alias (*name) must refer to an anchor (&name) that stands earlier in the same document, and a node may " \
	    "not contain itself.") \
	CODE(9, MERGE, "unusable merge key", \
	    "The merge key << takes a mapping, an alias of one, or a list of those.") \
	CODE(10, KEY_TYPE, "key is not a plain name", \
	    "Keys become JSON object keys: strings, numbers and booleans are possible, null, lists and mappings are not.") \
	CODE(11, LIMIT, "too large", \
	    "The input passes one of the reader's bounds: 16 MB, 200,000 documents and 3,000,000 nodes a file, 200,000 " \
	    "nodes a YAML document, 10,000 nodes made by aliases in one document, 64 levels of nesting, 1 MB a scalar, 1,000 " \
	    "members of one libconfig group. They stop inputs that are small on disk and huge " \
	    "in memory. Split the file.") \
	CODE(12, NOT_MAPPING, "document is not a mapping", \
	    "Each document of a resource file is one object: a mapping with apiVersion, kind and metadata.") \
	CODE(13, NUMBER, "number that JSON cannot hold", \
	    "Infinity and not-a-number have no place in a Kubernetes object; an API server refuses them too.") \
	CODE(14, INCLUDE, "@include is not allowed", \
	    "libconfig's @include would open any file that the process may read. All files below the resource root are " \
	    "read anyway; split the configuration into several files instead.") \
	CODE(15, INTEGER_SIZE, "integer does not fit", \
	    "libconfig reads an integer without suffix into 32 bits and silently wraps what is larger. Write an L behind " \
	    "integers over 2147483647 (or under -2147483648); nothing over 64 bits is possible.") \
	CODE(16, LEADING_ZERO, "integer with a leading zero", \
	    "libconfig reads 010 as ten where many languages read eight. Write the number without the zero, or as 0x…, or " \
	    "quote it if it is text.") \
	CODE(17, NOT_RESOURCES, "unexpected setting in a resource file", \
	    "A libconfig resource file holds one setting, resources = ( { apiVersion = …; kind = …; }, … ); and nothing else.") \
	CODE(18, ESCAPE, "unusable escape in a string", \
	    "The string holds an escape that makes a zero byte or that the reader does not know.") \
	/* 01xx schema */ \
	CODE(101, WRONG_TYPE, "wrong type", \
	    "The field takes another type of value. Numbers and booleans must not be quoted; strings that look like " \
	    "numbers or booleans (yes, on, 080) must be.") \
	CODE(102, REQUIRED, "required field is missing", \
	    "The object is not valid without this field. `headgate explain KIND.field` tells what it is for.") \
	CODE(103, UNKNOWN_FIELD, "unknown field", \
	    "The kind has no field of this name here, so it would have no effect. It is an error, because a typing mistake in a " \
	    "name that is silently ignored is found much later. Check spelling and indentation; `headgate explain KIND` " \
	    "lists the fields.") \
	CODE(104, ENUM, "value is not one of the allowed ones", \
	    "The field takes one of a fixed list of words, with this exact spelling and case.") \
	CODE(105, FORMAT, "value has the wrong form", \
	    "The text does not have the form that the field asks for (a hostname, a duration like 1m30s, a header name, " \
	    "a path that starts with / …).") \
	CODE(106, RANGE, "number out of range", \
	    "The number is smaller or larger than the field allows; ports are 1 to 65535.") \
	CODE(107, LENGTH, "text too short or too long", \
	    "The text has fewer or more characters than the field allows.") \
	CODE(108, ITEMS, "too few or too many items", \
	    "The list or map has fewer or more entries than the field allows.") \
	CODE(109, DUPLICATE_ITEM, "item given twice", \
	    "The entries of this list must differ (in the fields that the message names).") \
	CODE(110, RULE, "rule of the kind broken", \
	    "Single values are right, but a rule of the CRD about several fields is not met; the message is that rule. A " \
	    "Kubernetes API server refuses the same object.") \
	CODE(111, UNKNOWN_KIND, "unknown kind", \
	    "headgate has no kind of this name in this API group. Kinds of other programs (Deployment, …) are skipped; a " \
	    "kind in a group that headgate serves must exist.") \
	CODE(112, API_VERSION, "API version not served", \
	    "The kind exists, but not in this version. The message names the versions that are served.") \
	CODE(113, METADATA, "metadata not usable", \
	    "Each object needs metadata.name, a DNS name in lower case; a namespace is a DNS label. Labels and annotations " \
	    "are maps from names to strings.") \
	CODE(114, IMMUTABLE, "field cannot be changed", \
	    "The field may not change during the life of the object. Delete the object and make a new one, with another name " \
	    "if both must serve for a time.") \
	CODE(115, NOT_AN_OBJECT, "not an object", \
	    "A resource is a mapping with apiVersion and kind (both strings).") \
	CODE(116, SETTING, "setting of headgate.conf not usable", \
	    "headgate.conf has a value that cannot be used. Errors in this file refuse the whole generation, because there " \
	    "is no object that could keep its last good content.") \
	CODE(117, BOTH_SPELLINGS, "old and new spelling beside each other", \
	    "A field has a newer name, and the object uses both. Only the new one may stand there; the message names it.") \
	/* 02xx references */ \
	CODE(201, REF_NOT_FOUND, "referenced object does not exist", \
	    "No object of this kind, namespace and name is defined. The route or listener is kept, and what hangs on the " \
	    "reference answers as the Gateway API says (500 for a backend).") \
	CODE(202, REF_NOT_PERMITTED, "reference to another namespace is not permitted", \
	    "A reference over a namespace border needs a ReferenceGrant in the target's namespace that names the kind and " \
	    "namespace it comes from.") \
	CODE(203, REF_KIND, "reference to a kind that cannot stand here", \
	    "The reference names a kind (or group) that this field does not support.") \
	CODE(204, PARENT_NOT_FOUND, "parent does not exist", \
	    "parentRefs names a Gateway, ListenerSet or section that is not defined on this node. The route is not attached.") \
	CODE(205, PORT_NOT_FOUND, "port is not defined", \
	    "The Service exists but has no such port.") \
	/* 03xx files, permission, ownership */ \
	CODE(301, KIND_NOT_ALLOWED, "kind not allowed in this folder", \
	    "infra.d may define everything, security.d policies, grants and secrets, routes.d/<namespace> routes and what " \
	    "belongs to them. Move the object to a folder whose role may define it.") \
	CODE(302, NAMESPACE_NOT_ALLOWED, "namespace not allowed in this folder", \
	    "Objects below routes.d/<namespace> live in that namespace. Leave metadata.namespace out (it is filled in) or " \
	    "move the file.") \
	CODE(303, WRITABLE, "file can be written by others", \
	    "A file, and each folder above it up to the resource root, may be writable by nobody but root and its role's " \
	    "owner or group (those of infra.d, security.d or routes.d/<namespace>): who can write it decides what is served. " \
	    "Fix it with chown and chmod o-w.") \
	CODE(304, LINK, "link leaves the tree or leads to a folder", \
	    "Symbolic links are followed only to regular files below the same folder (the path given with -f, or the role's " \
	    "folder). Copy the file, or read the target's folder too.") \
	CODE(305, UNREADABLE, "file cannot be read", \
	    "The system refused to open or read the file; the message has its reason.") \
	CODE(306, DUPLICATE_OBJECT, "object defined twice", \
	    "The same kind, namespace and name is defined in two places of equal rank. Neither is taken, because the order of " \
	    "files must never matter. Over roles the higher one wins: infra, then security, then routes.") \
	CODE(307, NOT_REGULAR, "not a regular file", \
	    "Only regular files are read: no pipes, sockets or devices.") \
	CODE(308, FILE_SIZE, "file too large", \
	    "A resource file has at most 16 MB, all together 1 GB.") \
	CODE(309, TOO_MANY_FILES, "too many files", \
	    "At most 200,000 files and 1 GB are read, 16 folders deep.") \
	CODE(310, FILE_PLACE, "file or folder in the wrong place", \
	    "Under the resource root, files stand in infra.d, security.d or routes.d/<namespace>, where <namespace> is a " \
	    "DNS label. What stands elsewhere is not read, and said, so that nothing is silently ignored.") \
	CODE(311, PATTERN_EMPTY, "path does not exist", \
	    "A path given with -f, or the resource root, does not exist.") \
	/* 04xx TLS */ \
	CODE(401, CERTIFICATE, "certificate not usable", \
	    "The certificate or key cannot be parsed, or they do not belong together. The listener says InvalidCertificateRef.") \
	/* 05xx bind and system */ \
	CODE(501, BIND, "cannot listen", \
	    "The system refused to bind the address and port. The listener is not programmed; binding is tried again by " \
	    "itself.") \
	/* 06xx policy conflicts */ \
	CODE(601, POLICY_CONFLICT, "policies conflict", \
	    "Two policies of one kind target the same object. The older one wins, then the first by name.") \
	CODE(602, NOT_VALID, "object is not valid as written", \
	    "A field has a value that cannot be served. The object's condition Accepted is False with reason Invalid, and " \
	    "its targets answer 500 rather than without it. `headgate describe` shows the condition.") \
	/* 07xx patterns and matching */ \
	CODE(701, REGEX, "regular expression not usable", \
	    "The pattern is not valid, or uses what RE2 does not have: look-around, back-references, possessive or atomic " \
	    "groups, recursion. Those can take unbounded time on a hostile input.") \
	/* 2xxx warnings */ \
	CODE(2000, EMPTY_FILE, "file has no object", \
	    "The file was read and defines nothing. If that is meant, remove it.") \
	CODE(2001, MERGE_OVERRIDES, "merge key replaces an earlier value", \
	    "A key stands before << in the same mapping and is in the merged mapping too. kubectl lets the merged value " \
	    "win in this order, and so does headgate; the YAML merge document says the opposite. Put << first.") \
	CODE(2002, BOOLEAN_KEY, "key is read as a boolean", \
	    "Unquoted y, n, yes, no, on and off are booleans for kubectl, also as keys, which become \"true\" and \"false\". " \
	    "Quote the key.") \
	CODE(2101, OLD_SPELLING, "old spelling", \
	    "The field or version has a newer name, which the message tells. The old one is still read.") \
	CODE(2102, IGNORED_KIND, "kind is skipped", \
	    "The object belongs to another program (a Deployment, …). headgate skips it.") \
	CODE(2103, NOT_SERVED, "kind is not served by this version", \
	    "headgate knows the kind, but this version does not serve it: the object has no effect.") \
	CODE(2104, DEPRECATED, "deprecated place", \
	    "The field still works, but has a newer home, which the message names.") \
	CODE(2105, SHADOWED, "object is hidden by one of a higher role", \
	    "The same kind, namespace and name is defined in a folder of a higher role (infra, then security, then routes). " \
	    "That one is used; this one has no effect.") \
	CODE(2106, IN_PART, "object is served only in part", \
	    "One of its conditions says what does not work or is not served: a field that this version lacks, a target that " \
	    "another object has, a reference. `headgate describe` shows them all.") \
	CODE(2107, CERTIFICATE_EXPIRES, "certificate expires soon", \
	    "Renew it before clients start to refuse it.") \
	CODE(2701, UNREACHABLE_RULE, "rule can never match", \
	    "An earlier or more specific match on the same listener covers this one fully; or an older route has the " \
	    "listener, of which a TCP, UDP or TLS listener has only one for a name.") \
	/* 9xxx internal */ \
	CODE(9001, INTERNAL, "internal error", \
	    "headgate found a contradiction in its own work. The input may be fine. Please report it together with the file.") \
	CODE(9002, READERS_DISAGREE, "two readers disagree", \
	    "headgate's own scanner and libconfig read this file differently, so neither is trusted. Please report it " \
	    "together with the file.")
/* clang-format on */

enum code {
#define CODE(number, name, title, text) CODE_##name = number,
	CODE_TABLE(CODE)
#undef CODE
};

const char *code_title(unsigned number);       /* NULL if there is no such code */
const char *code_explanation(unsigned number); /* NULL if there is no such code */
/* "HG0103", "hg103" or "103" to its number; 0 if it is none. */
unsigned code_parse(const char *text);
/* The i-th code of the table, 0 past the end: for lists and for tests. */
unsigned code_at(unsigned i);

#endif
