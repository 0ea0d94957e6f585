/*
 * cli.h - the verbs. cli_main() is what master/main.c calls when it was not started as a role; the
 * result is the exit status: 0 ok; 1 failed or invalid; 2 applied with errors, or differences; 3
 * unhealthy or timed out; 64 usage; 69 not reachable; 77 not permitted.
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

int cli_main(int argc, char **argv);

enum {
	EX_OK_ = 0,
	EX_FAILED = 1,
	EX_PARTIAL = 2,
	EX_UNHEALTHY = 3,
	EX_USAGE_ = 64,
	EX_UNREACHABLE = 69,
	EX_NOT_PERMITTED = 77
};

#endif
