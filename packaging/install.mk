# make install DESTDIR=... PREFIX=/usr: what a package holds. Nothing is started and no user is
# made here; packages do that with systemd-sysusers and systemd-tmpfiles.

INSTALL ?= install
SYSTEMD := $(DESTDIR)$(PREFIX)/lib
UNIT := $(SYSTEMD)/systemd/system/headgate.service
EXAMPLES := $(DESTDIR)$(PREFIX)/share/headgate/examples/quickstart
# Where the binary looks, whatever the prefix.
SYSCONF := $(DESTDIR)/etc

install: $(B)/headgate
	$(INSTALL) -D -m 0755 $(B)/headgate $(DESTDIR)$(PREFIX)/bin/headgate
	$(INSTALL) -d $(SYSTEMD)/systemd/system
	sed 's|@PREFIX@|$(PREFIX)|g' packaging/headgate.service > $(UNIT)
	chmod 0644 $(UNIT)
	$(INSTALL) -D -m 0644 packaging/headgate.sysusers $(SYSTEMD)/sysusers.d/headgate.conf
	$(INSTALL) -D -m 0644 packaging/headgate.tmpfiles $(SYSTEMD)/tmpfiles.d/headgate.conf
	$(INSTALL) -D -m 0644 packaging/headgate.logrotate $(SYSCONF)/logrotate.d/headgate
	$(INSTALL) -d -m 0755 $(SYSCONF)/headgate
	test -e $(SYSCONF)/headgate/headgate.conf || \
	    $(INSTALL) -m 0644 packaging/headgate.conf $(SYSCONF)/headgate/headgate.conf
	$(INSTALL) -d $(EXAMPLES)
	$(INSTALL) -m 0644 examples/quickstart/*.yaml $(EXAMPLES)/
