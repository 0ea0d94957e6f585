/*
 * verbs.h - one function a verb; each returns the exit status (cli.h).
 */
#ifndef CLI_VERBS_H
#define CLI_VERBS_H

struct opts;

int run_verb(struct opts *);
int check_verb(struct opts *);
int reload_verb(struct opts *);
int status_verb(struct opts *);
int get_verb(struct opts *);
int describe_verb(struct opts *);
int match_verb(struct opts *);
int workload_verb(struct opts *);
int explain_verb(struct opts *);
int backends_verb(struct opts *);
int portforward_verb(struct opts *);
int echo_verb(struct opts *);
int version_verb(struct opts *);

#endif
