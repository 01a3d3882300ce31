/* SPDX-License-Identifier: Apache-2.0 */
/*
 * carved: the daemon.
 *
 * Start: lock the node, open the ledger, find the GPUs, put back what was left half done, take up
 * the leases, serve. Nothing is answered before the last of these; connections wait in the socket's
 * backlog. End: on SIGTERM it stops serving and ends; leases, jobs and fences go on, the next
 * carved takes them up.
 */
#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "base/log.h"
#include "daemon/api.h"
#include "daemon/apply.h"
#include "daemon/executor.h"
#include "daemon/gpus.h"
#include "daemon/http.h"
#include "daemon/leases.h"
#include "daemon/ledger.h"
#include "daemon/measurements.h"
#include "daemon/mps.h"
#include "daemon/peers.h"
#include "daemon/settings.h"
#include "daemon/unleased.h"
#include "daemon/vfs.h"
#include "driver/cgroup.h"
#include "driver/fence.h"
#include "driver/root.h"
#include "mechanism/worker.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>

enum { EXIT_USAGE = 64 };

static const char usage[] =
	"Usage: carved [OPTION]...\n"
	"Shares this machine's GPUs out: serves the API that carve(1) speaks.\n\n"
	"  --config FILE     configuration (default /etc/carve/carved.yaml; see carved.yaml(5))\n"
	"  --run-dir DIR     sockets and the ledger of this boot (default $CARVE_RUN_DIR, "
	"/run/carve,\n"
	"                    or $XDG_RUNTIME_DIR/carve for a user's own daemon)\n"
	"  --state-dir DIR   what outlives a boot (default $CARVE_STATE_DIR, /var/lib/carve,\n"
	"                    or ~/.local/state/carve)\n"
	"  --check           read the configuration, say whether it is good, and end\n"
	"  -v, --verbose     log more\n"
	"  -h, --help        this text\n"
	"  --version         the version\n\n"
	"GPUs are only observed until they are managed (carve manage GPU, or the configuration).\n";

/* A process of ours that uses the driver must not outlive us, nor run beside its stuck predecessor.
 */
static int run_worker(const char *pci)
{
	prctl(PR_SET_NAME, "carved-worker"); /* it was executed as /proc/self/exe */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (fcntl(WORKER_FD + 1, F_GETFD) >= 0)
		flock(WORKER_FD + 1, LOCK_EX);
	return worker_main(pci);
}

static char *dir_of(
	const char *variable, const char *system, const char *user_variable, const char *user)
{
	const char *said = getenv(variable), *base = getenv(user_variable);

	if (said && *said)
		return must_strdup(said);
	if (geteuid() == 0 || !base)
		return must_strdup(system);
	return must_asprintf("%s/%s", base, user);
}

static int parse_args(struct daemon *daemon, int argc, char **argv, bool *ret_check)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "run-dir", required_argument, NULL, 'r' },
		{ "state-dir", required_argument, NULL, 's' },
		{ "check", no_argument, NULL, 'k' },
		{ "verbose", no_argument, NULL, 'v' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "hv", options, NULL)) != -1)
		switch (option) {
		case 'c':
			free(daemon->config_path);
			daemon->config_path = must_strdup(optarg);
			daemon->config_required = true;
			break;
		case 'r':
			free(daemon->run_dir);
			daemon->run_dir = must_strdup(optarg);
			break;
		case 's':
			free(daemon->state_dir);
			daemon->state_dir = must_strdup(optarg);
			break;
		case 'k':
			*ret_check = true;
			break;
		case 'v':
			log_set_level(LOG_LEVEL_DEBUG);
			break;
		case 'h':
			fputs(usage, stdout);
			exit(0);
		case 'V':
			puts("carved " CARVE_VERSION);
			exit(0);
		default:
			return EXIT_USAGE;
		}
	if (optind < argc) {
		fprintf(stderr, "carved: '%s' is not an option (carved --help)\n", argv[optind]);
		return EXIT_USAGE;
	}
	return 0;
}

/* The socket that systemd gives, or one of our own. */
static int open_socket(struct daemon *daemon, struct error *err)
{
	AUTO_CLOSE int fd = -1;
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	if (sd_listen_fds(1) >= 1)
		return SD_LISTEN_FDS_START;
	if ((size_t)snprintf(address.sun_path, sizeof(address.sun_path), "%s/api.sock",
		    daemon->run_dir) >= sizeof(address.sun_path))
		return error_set(err, -ENAMETOOLONG,
			"the path %s/api.sock is too long for a socket: give a shorter --run-dir",
			daemon->run_dir);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return error_set(err, -errno, "cannot make a socket: %m");
	unlink(address.sun_path); /* the lock says that nobody else serves it */
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
		chmod(address.sun_path, 0666) < 0 || listen(fd, 1024) < 0)
		return error_set(err, -errno, "cannot listen on %s: %m", address.sun_path);
	return TAKE_FD(fd);
}

static void serve(struct daemon *daemon)
{
	struct error err = ERROR_NONE;
	int fd;

	daemon->is_restored = true;
	unleased_update(daemon);
	services_recover(daemon);
	layout_restore(daemon);
	gpus_watch(daemon);
	leases_pump(daemon);
	fd = open_socket(daemon, &err);
	if (fd < 0 || http_start(daemon, fd, &daemon->http, &err) < 0) {
		log_error("%s", err.text);
		sd_event_exit(daemon->loop, 1);
		return;
	}
	sd_notify(0, "READY=1");
	/* not before: a start has a time limit of its own, and much of it is done in one go */
	(void)sd_event_set_watchdog(daemon->loop, true);
	event_add(daemon, "started", -1, 0, "carved %s serves %u GPUs, %u leases", CARVE_VERSION,
		daemon->n_gpus, daemon->n_leases);
}

/* Virtual machines are started when we say that we are ready: their VFs come before. */
static void take_up(struct daemon *daemon)
{
	measurements_recall(daemon);
	leases_recall(daemon);
	mps_recall(daemon);
	vfs_restore(daemon, serve);
}

static void put_back(struct daemon *daemon)
{
	txn_recover(daemon, take_up);
}

static int on_hangup(sd_event_source *source, const struct signalfd_siginfo *info, void *context)
{
	struct daemon *daemon = context;
	struct error err = ERROR_NONE;

	if (settings_load(daemon, &err) < 0)
		log_error("%s; the former configuration stays in force", err.text);
	else
		event_add(daemon, "reloaded", -1, 0, "the configuration was read again");
	return 0;
}

static int prepare_loop(struct daemon *daemon)
{
	sigset_t mask;
	int r;

	sigemptyset(&mask);
	sigaddset(&mask, SIGCHLD);
	sigaddset(&mask, SIGTERM);
	sigaddset(&mask, SIGINT);
	sigaddset(&mask, SIGHUP);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	signal(SIGPIPE, SIG_IGN);
	r = sd_event_new(&daemon->loop);
	if (r >= 0)
		r = sd_event_add_signal(daemon->loop, NULL, SIGTERM, NULL, NULL);
	if (r >= 0)
		r = sd_event_add_signal(daemon->loop, NULL, SIGINT, NULL, NULL);
	if (r >= 0)
		r = sd_event_add_signal(daemon->loop, NULL, SIGHUP, on_hangup, daemon);
	return r;
}

static void raise_limits(void)
{
	struct rlimit files;

	/* a waiting lease costs a descriptor or two, a connection one */
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max < 65536 ? files.rlim_max : 65536;
		setrlimit(RLIMIT_NOFILE, &files);
	}
}

static void end(struct daemon *daemon)
{
	struct call *call, *after;

	list_for_each_safe (call, after, &daemon->calls, link)
		call_fail(call, API_NO_ROOM, "carved is ending; ask again when it is back");
	daemon->http = http_stop(daemon->http);
	operations_done(daemon);
	measurements_done(daemon);
	mps_done(daemon);
	leases_done(daemon);
	gpus_done(daemon);
	tenants_done(daemon);
	events_done(&daemon->events);
	config_done(&daemon->config);
	daemon->ledger = ledger_close(daemon->ledger);
	sd_event_unref(daemon->loop);
	free(daemon->run_dir);
	free(daemon->state_dir);
	free(daemon->config_path);
}

static int start(struct daemon *daemon, struct error *err)
{
	int r = root_open(err);

	if (r < 0)
		return r;
	r = root_lock(err);
	if (r < 0)
		return r;
	r = make_dirs(daemon->run_dir, 0755, err);
	if (r == 0)
		r = ledger_open(daemon->run_dir, daemon->state_dir, &daemon->ledger, err);
	if (r < 0)
		return r;
	if (cgroup_open(err) < 0)
		log_warning("%s: leases are not fenced, children not followed", err->text);
	else if (!fence_is_possible(err))
		log_warning("%s: leases are not fenced", err->text);
	peers_start(daemon);
	return gpus_start(daemon, put_back);
}

int main(int argc, char **argv)
{
	static struct daemon daemon;
	struct error err = ERROR_NONE;
	bool check_only = false;
	int r;

	if (argc == 3 && text_eq(argv[1], "--worker"))
		return run_worker(argv[2]);
	/* libmicrohttpd brings GnuTLS along: nobody here needs what it prepares, least of all
	 * workers, each of which would wait for it */
	setenv("GNUTLS_NO_IMPLICIT_INIT", "1", 0);
	daemon.config_path = must_strdup("/etc/carve/carved.yaml");
	daemon.run_dir = dir_of("CARVE_RUN_DIR", "/run/carve", "XDG_RUNTIME_DIR", "carve");
	daemon.state_dir =
		dir_of("CARVE_STATE_DIR", "/var/lib/carve", "HOME", ".local/state/carve");
	r = parse_args(&daemon, argc, argv, &check_only);
	if (r != 0)
		return r;
	daemon.started_ns = now_ns();
	daemon.is_root = geteuid() == 0;
	daemon.is_simulated = text_eq(getenv("CARVE_SIMULATED"), "1");
	leases_init(&daemon);
	list_init(&daemon.tenants);
	list_init(&daemon.operations);
	list_init(&daemon.calls);
	list_init(&daemon.mps_servers);
	list_init(&daemon.mps_buried);
	list_init(&daemon.alone);
	config_init(&daemon.config);
	umask(022);
	r = settings_load(&daemon, &err);
	if (r == 0 && check_only) {
		printf("%s is good\n", daemon.config_path);
		return 0;
	}
	if (r == 0) {
		raise_limits();
		r = prepare_loop(&daemon);
	}
	if (r >= 0)
		r = start(&daemon, &err);
	if (r < 0) {
		fprintf(stderr, "carved: %s\n", err.text[0] ? err.text : strerror(-r));
		return 1;
	}
	r = sd_event_loop(daemon.loop);
	sd_notify(0, "STOPPING=1");
	end(&daemon);
	return r < 0 ? 1 : r;
}
