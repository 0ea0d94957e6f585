/* test_source.c - conf/read/walk.c and source.c, on real folders in a temporary place. */
#include "tests/unit/conf/read_help.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "conf/read/source.h"
#include "conf/read/walk.h"

static char root[64];

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int
setup(void **state)
{
	(void)state;
	snprintf(root, sizeof(root), "/tmp/headgate-source-XXXXXX");
	umask(022);
	return mkdtemp(root) && chmod(root, 0755) == 0 ? 0 : -1;
}

static int
teardown(void **state)
{
	(void)state;
	return nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static const char *
at(const char *rel)
{
	static char buf[4][4200];
	static unsigned i;

	i = (i + 1) % 4;
	snprintf(buf[i], sizeof(buf[i]), "%s/%s", root, rel);
	return buf[i];
}

static void
folder(const char *rel)
{
	assert_int_equal(mkdir(at(rel), 0755), 0);
}

static void
file(const char *rel, const char *text)
{
	int fd = open(at(rel), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

struct seen {
	struct strbuf out;
	int stop_after;
};

static int
see(void *arg, struct source_file *f)
{
	struct seen *s = arg;
	struct bytes path = f->path;

	if (bytes_starts(path, bytes_str(root)))
		path = bytes_of(path.p + strlen(root), path.n - strlen(root));
	strbuf_printf(&s->out, "%.*s", BYTES_ARG(path));
	if (f->role)
		strbuf_printf(&s->out, " role=%u", f->role);
	if (f->ns.p)
		strbuf_printf(&s->out, " ns=%.*s", BYTES_ARG(f->ns));
	if (f->error)
		strbuf_printf(&s->out, " error=%d", f->error);
	else
		strbuf_printf(&s->out, " [%.*s]", BYTES_ARG(f->text));
	strbuf_addc(&s->out, '\n');
	return s->stop_after && --s->stop_after == 0;
}

static void
assert_walk(const char *rel, bool flat, bool ownership, const char *expect)
{
	struct seen s = {0};
	struct arena a;
	const char *paths[1] = {*rel ? at(rel) : root};
	struct source *src;

	arena_init(&a, 4096, 0);
	src = source_direct(&a, paths, 1, flat, ownership);
	assert_int_equal(src->walk(src, 0, see, &s), 0);
	assert_string_equal(s.out.p ? s.out.p : "", expect);
	strbuf_release(&s.out);
	arena_release(&a);
}

static void
test_flat(void **state)
{
	(void)state;
	assert_walk("", true, false, "");
	folder("a");
	folder("a/deep");
	file("a.yaml", "1");
	file("a/z.yml", "2");
	file("a/deep/y.json", "3");
	file("a/x.conf", "");
	file("a/README.md", "no");
	file("a/.hidden.yaml", "no");
	folder(".git");
	file(".git/x.yaml", "no");
	file("b.yaml", "4");
	/* In byte order of whole paths: '.' comes before '/'. */
	assert_walk("", true, false,
	    "/a.yaml [1]\n/a/deep/y.json [3]\n/a/x.conf []\n/a/z.yml [2]\n/b.yaml [4]\n");
	assert_walk("a/", true, false, "/a/deep/y.json [3]\n/a/x.conf []\n/a/z.yml [2]\n");
	assert_walk("a/README.md", true, false, "/a/README.md [no]\n");
	assert_walk("none", true, false, "/none error=2\n");
}

static void
test_stop(void **state)
{
	struct seen s = {.stop_after = 2};
	struct arena a;
	const char *paths[] = {root};
	struct source *src;

	(void)state;
	file("a.yaml", "1");
	file("b.yaml", "2");
	file("c.yaml", "3");
	arena_init(&a, 4096, 0);
	src = source_direct(&a, paths, 1, true, false);
	assert_int_equal(src->walk(src, 0, see, &s), 0);
	assert_string_equal(s.out.p, "/a.yaml [1]\n/b.yaml [2]\n");
	assert_int_equal(src->walk(src, 1, see, &s), -1);
	strbuf_release(&s.out);
	arena_release(&a);
}

static void
test_not_regular(void **state)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	/* Nobody writes to the pipe: an open that waits would hang here. */
	assert_int_equal(mkfifo(at("a.yaml"), 0644), 0);
	snprintf(un.sun_path, sizeof(un.sun_path), "%s", at("b.yaml"));
	assert_int_equal(bind(fd, (struct sockaddr *)&un, sizeof(un)), 0);
	close(fd);
	assert_int_equal(symlink("a.yaml", at("c.yaml")), 0);
	assert_walk("", true, false, "/a.yaml error=-1\n/b.yaml error=-1\n/c.yaml error=-1\n");
	assert_walk("a.yaml", true, false, "/a.yaml error=-1\n");
}

static void
test_links(void **state)
{
	(void)state;
	folder("in");
	folder("in/.data");
	folder("out");
	file("in/.data/x.yaml", "x");
	file("out/y.yaml", "y");
	assert_int_equal(symlink(".data/x.yaml", at("in/a.yaml")), 0);
	assert_int_equal(symlink("../out/y.yaml", at("in/b.yaml")), 0);
	assert_int_equal(symlink("/etc/passwd", at("in/c.yaml")), 0);
	assert_int_equal(symlink("nowhere", at("in/d.yaml")), 0);
	assert_int_equal(symlink(".data", at("in/e")), 0);
	assert_int_equal(symlink("f.yaml", at("in/f.yaml")), 0);
	assert_int_equal(symlink("README", at("in/README.link")), 0);
	assert_int_equal(symlink("/proc/self/exe", at("in/g.yaml")), 0);
	assert_walk("in", true, false,
	    "/in/a.yaml [x]\n/in/b.yaml error=-3\n/in/c.yaml error=-3\n/in/d.yaml error=2\n"
	    "/in/e error=-3\n/in/f.yaml error=-3\n/in/g.yaml error=-3\n");
	/* From above, out is inside the tree; and what the user names may be a link. */
	assert_int_equal(symlink("in", at("link")), 0);
	assert_walk("link", true, false,
	    "/link/a.yaml [x]\n/link/b.yaml error=-3\n/link/c.yaml error=-3\n"
	    "/link/d.yaml error=2\n/link/e error=-3\n/link/f.yaml error=-3\n/link/g.yaml "
	    "error=-3\n");
}

static void
test_depth_and_size(void **state)
{
	char path[512] = "d";
	size_t n = 1;
	int fd;

	(void)state;
	for (int i = 0; i < 18; i++) {
		folder(path);
		n += (size_t)snprintf(path + n, sizeof(path) - n, "/d");
	}
	file("big.yaml", "x");
	fd = open(at("big.yaml"), O_WRONLY | O_CLOEXEC);
	assert_int_equal(ftruncate(fd, (16 << 20) + 1), 0);
	close(fd);
	assert_walk(
	    "", true, false, "/big.yaml error=-2\n/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d error=-6\n");
}

static int
count(void *arg, const struct walk_entry *e)
{
	int *v = arg;

	v[e->error == 0 ? 0 : 1]++;
	if (e->error)
		assert_int_equal(e->error, PROTO_FILE_TOO_MANY);
	return 0;
}

static void
test_budget(void **state)
{
	struct walk_root r = {.path = root, .flat = true};
	struct walk_budget b = {.files = WALK_FILES_MAX - 2};
	int v[2] = {0, 0};

	(void)state;
	for (char c = 'a'; c <= 'g'; c++) {
		char name[] = {c, '.', 'y', 'm', 'l', '\0'};

		file(name, "12345");
	}
	assert_int_equal(walk_tree(&r, &b, count, v), 0);
	assert_int_equal(v[0], 2);
	assert_int_equal(v[1], 1);
	/* The next root says nothing more, and gives nothing. */
	walk_tree(&r, &b, count, v);
	assert_int_equal(v[0] + v[1], 3);
	b = (struct walk_budget){.bytes = WALK_ALL_MAX - 12};
	v[0] = v[1] = 0;
	walk_tree(&r, &b, count, v);
	assert_int_equal(v[0], 2);
	assert_int_equal(v[1], 1);
	b = (struct walk_budget){.names = WALK_NAMES_MAX - 3};
	v[0] = v[1] = 0;
	walk_tree(&r, &b, count, v);
	assert_int_equal(v[0], 0);
	assert_int_equal(v[1], 1);
}

static void
role_folders(void)
{
	folder("infra.d");
	folder("security.d");
	folder("routes.d");
	folder("routes.d/shop");
	folder("routes.d/pay");
	file("infra.d/gw.yaml", "g");
	file("security.d/s.conf", "s");
	file("routes.d/shop/w.yaml", "w");
	file("routes.d/pay/p.yaml", "p");
}

static void
test_roles(void **state)
{
	(void)state;
	assert_walk("", false, false, "");
	role_folders();
	assert_walk("", false, false,
	    "/infra.d/gw.yaml role=1 [g]\n/routes.d/pay/p.yaml role=3 ns=pay [p]\n"
	    "/routes.d/shop/w.yaml role=3 ns=shop [w]\n/security.d/s.conf role=2 [s]\n");
	file("headgate.conf", "");
	file("stray.yaml", "");
	file("routes.d/loose.yaml", "");
	folder("routes.d/Bad_Name");
	file("routes.d/Bad_Name/x.yaml", "");
	assert_int_equal(symlink("../../infra.d/gw.yaml", at("routes.d/shop/l.yaml")), 0);
	assert_int_equal(symlink("shop", at("routes.d/alias")), 0);
	assert_walk("", false, false,
	    "/stray.yaml error=-7\n/infra.d/gw.yaml role=1 [g]\n"
	    "/routes.d/Bad_Name role=3 error=-7\n/routes.d/alias role=3 error=-7\n"
	    "/routes.d/loose.yaml role=3 error=-7\n"
	    "/routes.d/pay/p.yaml role=3 ns=pay [p]\n/routes.d/shop/l.yaml role=3 ns=shop "
	    "error=-3\n"
	    "/routes.d/shop/w.yaml role=3 ns=shop [w]\n/security.d/s.conf role=2 [s]\n");
}

static bool
not_root(void)
{
	if (geteuid() == 0)
		return false;
	printf("SKIPPED: ownership rules are tested as root only\n"); /* tests/unit/run shows it */
	return true;
}

#define GOOD_INFRA "/infra.d/gw.yaml role=1 [g]\n"
#define GOOD_PAY "/routes.d/pay/p.yaml role=3 ns=pay [p]\n"
#define GOOD_SHOP "/routes.d/shop/w.yaml role=3 ns=shop [w]\n"
#define GOOD_SECURITY "/security.d/s.conf role=2 [s]\n"

static void
test_ownership(void **state)
{
	(void)state;
	if (not_root())
		skip();
	role_folders();
	assert_walk("", false, true, GOOD_INFRA GOOD_PAY GOOD_SHOP GOOD_SECURITY);
	/* The shop team owns its folder and file, by group too. */
	assert_int_equal(chown(at("routes.d/shop"), 2001, 3001), 0);
	assert_int_equal(chmod(at("routes.d/shop"), 02775), 0);
	assert_int_equal(chown(at("routes.d/shop/w.yaml"), 2001, 3001), 0);
	assert_int_equal(chmod(at("routes.d/shop/w.yaml"), 0664), 0);
	assert_walk("", false, true, GOOD_INFRA GOOD_PAY GOOD_SHOP GOOD_SECURITY);
	/* Not theirs: another team's file, a foreign group, the world. */
	assert_int_equal(chown(at("routes.d/pay/p.yaml"), 2001, 0), 0);
	assert_int_equal(chmod(at("infra.d/gw.yaml"), 0646), 0);
	assert_int_equal(chown(at("security.d/s.conf"), 0, 3001), 0);
	assert_int_equal(chmod(at("security.d/s.conf"), 0664), 0);
	assert_walk("", false, true,
	    "/infra.d/gw.yaml role=1 error=-4\n"
	    "/routes.d/pay/p.yaml role=3 ns=pay error=-4\n" GOOD_SHOP
	    "/security.d/s.conf role=2 error=-4\n");
	/* Without the rules nobody minds. */
	assert_walk("", false, false, GOOD_INFRA GOOD_PAY GOOD_SHOP GOOD_SECURITY);
}

static void
test_ownership_of_folders(void **state)
{
	(void)state;
	if (not_root())
		skip();
	role_folders();
	folder("routes.d/shop/sub");
	file("routes.d/shop/sub/u.yaml", "u");
	assert_int_equal(chmod(at("routes.d/shop/sub"), 0777), 0);
	assert_walk("", false, true,
	    GOOD_INFRA GOOD_PAY
	    "/routes.d/shop/sub role=3 ns=shop error=-4\n" GOOD_SHOP GOOD_SECURITY);
	assert_int_equal(chmod(at("infra.d"), 0777), 0);
	assert_walk("", false, true,
	    "/infra.d role=1 error=-4\n" GOOD_PAY
	    "/routes.d/shop/sub role=3 ns=shop error=-4\n" GOOD_SHOP GOOD_SECURITY);
	/* Who owns routes.d could make any team's folder. */
	assert_int_equal(chown(at("routes.d"), 2001, 0), 0);
	assert_walk(
	    "", false, true, "/infra.d role=1 error=-4\n/routes.d role=3 error=-4\n" GOOD_SECURITY);
	assert_int_equal(chmod(root, 0777), 0);
	assert_walk("", false, true, " error=-4\n");
	assert_int_equal(chmod(root, 0755), 0);
}

static void
test_ownership_of_links(void **state)
{
	(void)state;
	if (not_root())
		skip();
	role_folders();
	folder("infra.d/.v1");
	file("infra.d/.v1/x.yaml", "x");
	assert_int_equal(symlink(".v1", at("infra.d/.now")), 0);
	assert_int_equal(symlink(".now/x.yaml", at("infra.d/x.yaml")), 0);
	assert_walk("", false, true,
	    GOOD_INFRA "/infra.d/x.yaml role=1 [x]\n" GOOD_PAY GOOD_SHOP GOOD_SECURITY);
	/* The link is fine, its target's folder is not. */
	assert_int_equal(chmod(at("infra.d/.v1"), 0777), 0);
	assert_walk("", false, true,
	    GOOD_INFRA "/infra.d/x.yaml role=1 error=-4\n" GOOD_PAY GOOD_SHOP GOOD_SECURITY);
	assert_int_equal(chmod(at("infra.d/.v1"), 0755), 0);
	assert_int_equal(unlink(at("infra.d/x.yaml")), 0);
	assert_int_equal(symlink("../security.d/s.conf", at("infra.d/x.yaml")), 0);
	assert_walk("", false, true,
	    GOOD_INFRA "/infra.d/x.yaml role=1 error=-3\n" GOOD_PAY GOOD_SHOP GOOD_SECURITY);
}

static void
test_stdin(void **state)
{
	int fd, saved = dup(STDIN_FILENO);
	struct seen s = {0};
	struct arena a;
	const char *paths[] = {"-"};
	struct source *src;

	(void)state;
	file("in", "text");
	fd = open(at("in"), O_RDONLY | O_CLOEXEC);
	assert_int_equal(dup2(fd, STDIN_FILENO), STDIN_FILENO);
	close(fd);
	arena_init(&a, 4096, 0);
	src = source_direct(&a, paths, 1, true, false);
	assert_int_equal(src->walk(src, 0, see, &s), 0);
	assert_string_equal(s.out.p, "- [text]\n");
	dup2(saved, STDIN_FILENO);
	close(saved);
	strbuf_release(&s.out);
	arena_release(&a);
}

static void
test_open(void **state)
{
	struct source_file f;
	struct arena a;
	const char *paths[] = {root};
	struct source *flat, *roles;
	static const struct {
		const char *path; /* "@": from the root of the test */
		int error;
	} table[] = {{"infra.d/out.pem", PROTO_FILE_LINK}, {"infra.d/none", ENOENT},
	    {"infra.d/../key.pem", PROTO_FILE_LINK}, {"infra.d/../none", PROTO_FILE_LINK},
	    {"key.pem", ENOENT}, {"infra.d", ENOENT}, {"infra.d/", ENOENT},
	    {"routes.d/key.pem", ENOENT}, {"routes.d/../key.pem", ENOENT}, {"", ENOENT},
	    {"@/listed/../key.pem", PROTO_FILE_LINK}, {"@/listed", PROTO_FILE_LINK},
	    {"@/listed-not/x", PROTO_FILE_LINK}, {"@/key.pem", PROTO_FILE_LINK},
	    {"/etc/passwd", PROTO_FILE_LINK}};

	(void)state;
	file("key.pem", "k");
	arena_init(&a, 4096, 0);
	flat = source_direct(&a, paths, 1, true, false);
	roles = source_direct(&a, paths, 1, false, false);
	assert_int_equal(flat->open(flat, BYTES("key.pem"), &a, &f), 0);
	assert_true(f.error == 0 && bytes_eq(f.text, BYTES("k")));
	file("one.yaml", "");
	paths[0] = arena_dup(&a, bytes_str(at("one.yaml"))); /* beside it */
	assert_int_equal(flat->open(flat, BYTES("key.pem"), &a, &f), 0);
	assert_true(f.error == 0 && bytes_eq(f.text, BYTES("k")));
	paths[0] = root;
	flat->open(flat, BYTES("/etc/passwd"), &a, &f);
	assert_int_equal(f.error, PROTO_FILE_LINK);
	flat->open(flat, BYTES("."), &a, &f);
	assert_int_equal(f.error, PROTO_FILE_NOT_REGULAR);
	flat->open(flat, BYTES("none"), &a, &f);
	assert_int_equal(f.error, ENOENT);

	folder("infra.d");
	file("infra.d/key.pem", "i");
	assert_int_equal(symlink("../key.pem", at("infra.d/out.pem")), 0);
	assert_int_equal(roles->allow(roles, bytes_str(at("listed"))), 0);
	folder("listed");
	file("listed/key.pem", "l");
	assert_int_equal(roles->open(roles, BYTES("infra.d/key.pem"), &a, &f), 0);
	assert_true(f.error == 0 && bytes_eq(f.text, BYTES("i")));
	assert_int_equal(roles->open(roles, bytes_str(at("listed/key.pem")), &a, &f), 0);
	assert_true(f.error == 0 && bytes_eq(f.text, BYTES("l")));
	for (unsigned i = 0; i < HG_ARRAY_LEN(table); i++) {
		const char *path = table[i].path;

		roles->open(roles, bytes_str(path[0] == '@' ? at(path + 1) : path), &a, &f);
		assert_int_equal(f.error, table[i].error);
	}
	arena_release(&a);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_flat),
		T(test_stop),
		T(test_not_regular),
		T(test_links),
		T(test_depth_and_size),
		T(test_budget),
		T(test_roles),
		T(test_ownership),
		T(test_ownership_of_folders),
		T(test_ownership_of_links),
		T(test_stdin),
		T(test_open),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
