# Benchmarks. Each is a program or script of this folder and a rule bench-NAME; `make bench` runs those that
# compare with other proxies (run), the ones below need only the build.

.PHONY: bench-lookup
bench-lookup: $(B)/tests/bench/lookup
	@$<

$(B)/tests/bench/lookup: $(B)/tests/bench/lookup.o $(B)/libconf.a $(B)/libshm.a $(B)/libbase.a
	@echo "  LINK  $@"
	@$(CC) $(LDFLAGS) -o $@ $< -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(LIBS)
