/*
 * secrets.h - the secrets of a generation: private keys as DER, later credentials, by index. A
 * blob of its own (BLOB_SECRETS, sealed), so that nothing that is mapped or printed holds a key.
 * Workers keep the descriptor and read one secret at a time; only the compiler child writes.
 */
#ifndef SHM_SECRETS_H
#define SHM_SECRETS_H

#include "shm/blob.h"

enum secret_kind { SECRET_KEY = 1 }; /* a private key: DER, PKCS#8 or traditional */
#define SECRET_BYTES 65536u

enum secrets_section { SECRETS_TEXT, SECRETS_RECORD };
struct secret_record {
	uint32_t kind, pad;  /* enum secret_kind */
	struct im_str der;
};

uint64_t secrets_layout(void);

/* Compiler child. Equal secrets become one record. */
struct blob_writer *secrets_new(uint64_t generation);
uint32_t secrets_add(struct blob_writer *, enum secret_kind, struct bytes der);

/* Worker. The header and the seals are checked with a few preads. HG_ERR_INVALID: not a secrets
 * file of this build and generation. */
enum hg_err secrets_check(int fd, uint64_t generation);
/* A secret in memory that is locked, left out of dumps and wiped by secret_free(). NULL: no such
 * record, another kind, or no memory. */
struct secret {
	unsigned char *der;
	uint32_t n;
	uint32_t room;       /* of the mapping */
};
bool secret_read(int fd, uint32_t index, enum secret_kind, struct secret *out);
void secret_free(struct secret *);

#endif
