/* smtpload: SMTP load generator (source) and sink in one process, one clock.
 *
 * Two threads: the source keeps --concurrency sessions busy against --target,
 * the sink accepts on --sink and notes when each message (header X-Bench-Id)
 * has arrived.  Prints one JSON object.  Build: cc -O2 -pthread smtpload.c -o smtpload
 *
 * With --sink-waits the sink starts only after the source has ended and a line
 * has come on standard input: mail is held meanwhile.  With --every S a line of
 * JSON about the progress goes to standard error every S seconds.
 *
 * Template files hold a whole message (headers and body, LF or CRLF); each
 * "BENCHID0" in them is replaced by the eight-digit number of the message.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAXID 8000000L
#define MAXTPL 1024
#define TOKEN "BENCHID0"

static double *t_start, *t_dot, *t_acc, *t_arr;    /* by message number */
static unsigned short *m_tpl;
static unsigned char *m_state, *m_narr;            /* state: 0 unsent 1 sent 2 accepted 3 5xx 4 4xx 5 error */
static volatile long n_arrived, n_dup, n_bounce, n_unknown, n_sink_conns, n_infected_arrived;
static volatile double t_first_arr, t_last_arr, t_sink;
static volatile int stop_sink, stop_progress;
static volatile long n_accepted;
static double src_cpu, sink_cpu;

static double now(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec + t.tv_nsec * 1e-9; }
static double threadcpu(void) { struct timespec t; clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t); return t.tv_sec + t.tv_nsec * 1e-9; }
static void die(const char *m) { perror(m); exit(2); }

struct tpl { char *buf; size_t len; long *off; int noff; double weight; int infected; const char *sender; };
static struct tpl tpls[MAXTPL];
static int ntpl;

static struct sockaddr_in target, sinkaddr;
static int use_sink, concurrency = 20, perconn = 1, pipelining, srcaddrs = 16, sink_waits;
static long nmsg, naccept, idbase = -1;   /* numbers differ from run to run: scanners must not know the messages */
static unsigned srcnet = 0x7f000100u;
static double seconds, rate, idle_timeout = 15, linger, every;
static const char *rcpt = "user@bench.test", *sender = "sender@bench.test";

static struct sockaddr_in hostport(const char *s)
{
    char h[256]; struct sockaddr_in a = {0}; const char *c = strrchr(s, ':');
    if (!c) { fprintf(stderr, "HOST:PORT wanted: %s\n", s); exit(2); }
    snprintf(h, sizeof h, "%.*s", (int)(c - s), s);
    struct addrinfo hint = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *r;
    if (getaddrinfo(h, c + 1, &hint, &r)) { fprintf(stderr, "cannot resolve %s\n", s); exit(2); }
    memcpy(&a, r->ai_addr, sizeof a); freeaddrinfo(r); return a;
}

static void load_tpl(const char *arg)            /* WEIGHT:clean|infected:FILE[:SENDER] */
{
    char *a = strdup(arg), *w = strtok(a, ":"), *k = strtok(NULL, ":"), *f = strtok(NULL, ":"), *s = strtok(NULL, "");
    FILE *fp = fopen(f, "rb"); if (!fp) die(f);
    fseek(fp, 0, SEEK_END); long n = ftell(fp); rewind(fp);
    char *raw = malloc(n), *out = malloc(2 * n + 8); if (fread(raw, 1, n, fp) != (size_t)n) die(f);
    fclose(fp);
    size_t o = 0;
    for (long i = 0; i < n; i++) {               /* CRLF and dot stuffing */
        if (raw[i] == '\r') continue;
        if (raw[i] == '\n') out[o++] = '\r';
        else if (raw[i] == '.' && (i == 0 || raw[i - 1] == '\n')) out[o++] = '.';
        out[o++] = raw[i];
    }
    if (o < 2 || out[o - 1] != '\n') { out[o++] = '\r'; out[o++] = '\n'; }
    memcpy(out + o, ".\r\n", 3); o += 3;
    struct tpl *t = &tpls[ntpl++];
    t->buf = out; t->len = o; t->weight = atof(w); t->infected = !strcmp(k, "infected"); t->sender = s ? strdup(s) : NULL;
    t->off = malloc(sizeof(long) * (n / 8 + 1));
    for (char *p = out; (p = memmem(p, out + o - p, TOKEN, 8)); p += 8) t->off[t->noff++] = p - out;
    if (!t->noff) { fprintf(stderr, "%s holds no " TOKEN "\n", f); exit(2); }
    free(raw); free(a);
}

/* ------------------------------------------------------------------ sink */
struct sc { int fd, data, bounce; char *buf; size_t len, cap; long id; };

static void sink_done(struct sc *c)
{
    double t = now();
    if (c->bounce) n_bounce++;
    else if (c->id < 0 || c->id >= MAXID) n_unknown++;
    else if (m_narr[c->id]) { n_dup++; m_narr[c->id] = 2; }
    else {
        t_arr[c->id] = t; m_narr[c->id] = 1;
        if (tpls[m_tpl[c->id]].infected) n_infected_arrived++; else n_arrived++;
    }
    if (t_first_arr == 0) t_first_arr = t;
    t_last_arr = t;
}

static int say(int fd, const char *s) { size_t n = strlen(s); return send(fd, s, n, MSG_NOSIGNAL) == (ssize_t)n; }

static int sink_read(struct sc *c)               /* 0: close */
{
    if (c->cap - c->len < 65536) { c->cap = c->cap ? c->cap * 2 : 131072; c->buf = realloc(c->buf, c->cap); }
    ssize_t r = recv(c->fd, c->buf + c->len, c->cap - c->len, 0);
    if (r < 0) return errno == EAGAIN || errno == EINTR;
    if (r == 0) return 0;
    c->len += r;
    for (;;) {
        if (c->data) {
            if (c->id < 0) {
                char *p = memmem(c->buf, c->len, "X-Bench-Id: ", 12);
                if (p && p + 20 <= c->buf + c->len) { c->id = strtol(p + 12, NULL, 10) - idbase; if (c->id < 0) c->id = MAXID; }
            }
            char *q = memmem(c->buf, c->len, "\r\n.\r\n", 5);
            if (!q) {
                size_t keep = c->id >= 0 ? 4 : 32;
                if (c->len > keep) { memmove(c->buf, c->buf + c->len - keep, keep); c->len = keep; }
                return 1;
            }
            sink_done(c);
            size_t used = q + 5 - c->buf;
            memmove(c->buf, c->buf + used, c->len - used); c->len -= used; c->data = 0;
            if (!say(c->fd, "250 2.0.0 Ok: sunk\r\n")) return 0;
        }
        char *nl = memchr(c->buf, '\n', c->len);
        if (!nl) return 1;
        size_t used = nl + 1 - c->buf; char v[5] = {0};
        memcpy(v, c->buf, used < 4 ? used : 4);
        int ok = 1;
        if (!strncasecmp(v, "EHLO", 4)) ok = say(c->fd, "250-sink.bench.test\r\n250-PIPELINING\r\n250-SIZE 60000000\r\n250-ENHANCEDSTATUSCODES\r\n250 8BITMIME\r\n");
        else if (!strncasecmp(v, "DATA", 4)) { c->data = 1; c->id = -1; ok = say(c->fd, "354 go\r\n"); }
        else if (!strncasecmp(v, "QUIT", 4)) { say(c->fd, "221 2.0.0 bye\r\n"); return 0; }
        else {
            if (!strncasecmp(v, "MAIL", 4)) { char s = *nl; *nl = 0; c->bounce = strstr(c->buf, "<>") != NULL; *nl = s; }
            ok = say(c->fd, "250 2.1.0 Ok\r\n");
        }
        if (!ok) return 0;
        memmove(c->buf, c->buf + used, c->len - used); c->len -= used;
        if (c->data && c->len >= 3 && !memcmp(c->buf, ".\r\n", 3)) { /* empty message */ }
    }
}

static void *sink_main(void *arg)
{
    int ls = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;
    (void)arg;
    setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(ls, (void *)&sinkaddr, sizeof sinkaddr) || listen(ls, 4096)) die("sink bind");
    int ep = epoll_create1(0); struct epoll_event ev = {.events = EPOLLIN}, evs[256]; ev.data.ptr = NULL;
    epoll_ctl(ep, EPOLL_CTL_ADD, ls, &ev);
    while (!stop_sink) {
        int n = epoll_wait(ep, evs, 256, 100);
        for (int i = 0; i < n; i++) {
            struct sc *c = evs[i].data.ptr;
            if (!c) {
                int fd;
                while ((fd = accept4(ls, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
                    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                    c = calloc(1, sizeof *c); c->fd = fd; c->id = -1; n_sink_conns++;
                    ev.events = EPOLLIN; ev.data.ptr = c; epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
                    say(fd, "220 sink.bench.test ESMTP\r\n");
                }
            } else if (!sink_read(c)) { close(c->fd); free(c->buf); free(c); }
        }
        sink_cpu = threadcpu();
    }
    close(ls);
    return NULL;
}

/* ---------------------------------------------------------------- source */
enum { IDLE, CONNECTING, GREET, EHLO, MAIL, RCPT, DATA, BODY, QUIT };
struct cc { int fd, st, done, skip, npipe; long id; char rb[8192]; size_t rl; char *msg; size_t cap, len, off; double due; };

static long next_id, n_conn_err, n_sessions, n_disc;
static double t0, t_end_send, t_last_acc;
static int ep;
static unsigned rng = 12345;
static long started_max;

static int pick(void)
{
    double tot = 0, x; int i;
    for (i = 0; i < ntpl; i++) tot += tpls[i].weight;
    rng = rng * 1664525u + 1013904223u; x = (rng >> 8) / 16777216.0 * tot;
    for (i = 0; i < ntpl - 1; i++) { if (x < tpls[i].weight) return i; x -= tpls[i].weight; }
    return ntpl - 1;
}

static long take(double *due)                    /* next message number, -1 none ever, -2 not yet */
{
    double t = now();
    if (naccept > 0 && n_accepted >= naccept) return -1;
    if (next_id >= MAXID || (seconds > 0 && t - t0 >= seconds) || (nmsg > 0 && next_id >= nmsg)) return -1;
    if (rate > 0) { *due = t0 + next_id / rate; if (*due > t) return -2; }
    else *due = t;
    m_tpl[next_id] = pick();
    return next_id++;
}

static void put(struct cc *c, const char *s) { if (send(c->fd, s, strlen(s), MSG_NOSIGNAL) < 0) {} }

static void finish(struct cc *c, int state)
{
    if (state == 2) n_accepted++;
    m_state[c->id] = state; t_acc[c->id] = now(); t_last_acc = t_acc[c->id]; c->id = -1; c->done++;
}

static void drop(struct cc *c, int err)
{
    if (c->id >= 0) { finish(c, 5); }
    if (err) n_conn_err++;
    close(c->fd); c->fd = -1; c->st = IDLE;
}

static void begin(struct cc *c, double due)      /* new session for c->id */
{
    int one = 1; static unsigned k;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0); if (c->fd < 0) die("socket");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (srcaddrs > 0) {
        struct sockaddr_in s = {.sin_family = AF_INET};
        s.sin_addr.s_addr = htonl(srcnet + 1 + k++ % srcaddrs);
        setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
        if (bind(c->fd, (void *)&s, sizeof s)) die("bind source");
    }
    c->rl = 0; c->done = 0; c->st = CONNECTING; n_sessions++;
    t_start[c->id] = due; m_state[c->id] = 1;
    struct epoll_event ev = {.events = EPOLLIN | EPOLLOUT, .data.ptr = c};
    epoll_ctl(ep, EPOLL_CTL_ADD, c->fd, &ev);
    if (connect(c->fd, (void *)&target, sizeof target) && errno != EINPROGRESS) drop(c, 1);
}

static void envelope(struct cc *c)
{
    char b[1024];
    struct tpl *t = &tpls[m_tpl[c->id]];
    const char *from = t->sender ? t->sender : sender;
    if (c->cap < t->len) { c->cap = t->len; free(c->msg); c->msg = malloc(c->cap); }
    memcpy(c->msg, t->buf, t->len); c->len = t->len; c->off = 0;
    char d[24]; snprintf(d, sizeof d, "%08ld", (c->id + idbase) % 100000000L);
    for (int i = 0; i < t->noff; i++) memcpy(c->msg + t->off[i], d, 8);
    if (pipelining) snprintf(b, sizeof b, "MAIL FROM:<%s>\r\nRCPT TO:<%s>\r\nDATA\r\n", from, rcpt);
    else snprintf(b, sizeof b, "MAIL FROM:<%s>\r\n", from);
    put(c, b); c->st = MAIL;
}

static int push(struct cc *c)                    /* 1: all sent, 0: more, -1: error */
{
    while (c->off < c->len) {
        ssize_t w = send(c->fd, c->msg + c->off, c->len - c->off, MSG_NOSIGNAL);
        if (w < 0) {
            if (errno != EAGAIN) return -1;
            struct epoll_event ev = {.events = EPOLLIN | EPOLLOUT, .data.ptr = c};
            epoll_ctl(ep, EPOLL_CTL_MOD, c->fd, &ev); return 0;
        }
        c->off += w;
    }
    t_dot[c->id] = now();
    struct epoll_event ev = {.events = EPOLLIN, .data.ptr = c};
    epoll_ctl(ep, EPOLL_CTL_MOD, c->fd, &ev);
    return 1;
}

static void again(struct cc *c)                  /* message over: next one or QUIT */
{
    if (c->done < perconn) {
        double due; long id = take(&due);
        if (id >= 0) { c->id = id; t_start[id] = due; m_state[id] = 1; envelope(c); return; }
    }
    put(c, "QUIT\r\n"); c->st = QUIT;
}

static int refused(struct cc *c, int code)       /* for now or for good, and the session ends */
{
    if (c->id >= 0) finish(c, code >= 500 ? 3 : 4);
    return 0;
}

static int reply(struct cc *c, int code)         /* 0: close */
{
    char b[1024];
    switch (c->st) {
    case GREET: if (code != 220) return refused(c, code);
        put(c, "EHLO load.bench.test\r\n"); c->st = EHLO; return 1;
    case EHLO: if (code != 250) return refused(c, code);
        envelope(c); return 1;
    case MAIL: if (code != 250) break;
        if (!pipelining) { snprintf(b, sizeof b, "RCPT TO:<%s>\r\n", rcpt); put(c, b); }
        c->st = RCPT; return 1;
    case RCPT: if (code != 250) break;
        if (!pipelining) put(c, "DATA\r\n");
        c->st = DATA; return 1;
    case DATA: if (code != 354) break;
        c->st = BODY; return push(c) >= 0;
    case BODY:
        finish(c, code == 250 ? 2 : code >= 500 ? 3 : 4);
        again(c); return 1;
    case QUIT: return 0;
    }
    if (code == 421 || pipelining) return refused(c, code);
    finish(c, code >= 500 ? 3 : 4);
    put(c, "QUIT\r\n"); c->st = QUIT; return 1;
}

static void source_main(void)
{
    struct cc *cs = calloc(concurrency, sizeof *cs); struct epoll_event evs[512];
    int open = 0, over = 0;
    ep = epoll_create1(0); t0 = now();
    for (int i = 0; i < concurrency; i++) { cs[i].fd = -1; cs[i].id = -1; }
    for (;;) {
        open = 0;
        for (int i = 0; i < concurrency; i++) {
            struct cc *c = &cs[i];
            if (c->st == IDLE && !over) {
                double due; long id = take(&due);
                if (id >= 0) { c->id = id; begin(c, due); }
                else if (id == -1) { over = 1; if (!t_end_send) t_end_send = now(); }
            }
            if (c->st != IDLE) open++;
        }
        if (open > started_max) started_max = open;
        if (over && !open) break;
        int n = epoll_wait(ep, evs, 512, rate > 0 ? 1 : 1000);
        for (int i = 0; i < n; i++) {
            struct cc *c = evs[i].data.ptr;
            if (c->st == IDLE) continue;
            if (c->st == CONNECTING) {
                int e = 0; socklen_t l = sizeof e; getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &e, &l);
                if (e) { drop(c, 1); continue; }
                struct epoll_event ev = {.events = EPOLLIN, .data.ptr = c};
                epoll_ctl(ep, EPOLL_CTL_MOD, c->fd, &ev); c->st = GREET;
            }
            if ((evs[i].events & EPOLLOUT) && c->st == BODY && c->off < c->len && push(c) < 0) { drop(c, 1); continue; }
            if (!(evs[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))) continue;
            ssize_t r = recv(c->fd, c->rb + c->rl, sizeof c->rb - c->rl - 1, 0);
            if (r < 0 && errno == EAGAIN) continue;
            if (r <= 0) { if (c->st != QUIT && r == 0) n_disc++; drop(c, c->st != QUIT); continue; }
            c->rl += r;
            char *p = c->rb, *nl; int alive = 1;
            while (alive && (nl = memchr(p, '\n', c->rb + c->rl - p))) {
                if (nl - p >= 4 && p[3] != '-') alive = reply(c, atoi(p));
                p = nl + 1;
            }
            if (!alive) { drop(c, c->st != QUIT); continue; }
            c->rl -= p - c->rb; memmove(c->rb, p, c->rl);
        }
    }
    src_cpu = threadcpu();
}

static void *progress_main(void *arg)
{
    double begun = now(), due = begun + every;
    (void)arg;
    while (!stop_progress) {
        usleep(100000);
        if (now() < due) continue;
        due += every;
        fprintf(stderr, "{\"at_s\": %.1f, \"sent\": %ld, \"accepted\": %ld, \"arrived\": %ld, \"duplicates\": %ld}\n",
                now() - begun, next_id, n_accepted, n_arrived, n_dup);
    }
    return NULL;
}

static int cmpd(const void *a, const void *b) { double x = *(double *)a, y = *(double *)b; return x < y ? -1 : x > y; }
static void quant(const char *name, double *v, long n, const char *end)
{
    if (!n) { printf("\"%s\": null%s", name, end); return; }
    qsort(v, n, sizeof *v, cmpd);
    double s = 0; for (long i = 0; i < n; i++) s += v[i];
#define Q(p) (v[(long)((n - 1) * (p))] * 1e3)
    printf("\"%s\": {\"n\": %ld, \"mean\": %.3f, \"p50\": %.3f, \"p90\": %.3f, \"p99\": %.3f, \"max\": %.3f}%s",
           name, n, s / n * 1e3, Q(.5), Q(.9), Q(.99), v[n - 1] * 1e3, end);
}

int main(int ac, char **av)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);            /* whoever measures is gone: nobody wants the answer */
    for (int i = 1; i < ac; i++) {
        const char *o = av[i];
#define ARG (i + 1 < ac ? av[++i] : (fprintf(stderr, "%s wants a value\n", o), exit(2), ""))
        if (!strcmp(o, "--target")) target = hostport(ARG);
        else if (!strcmp(o, "--sink")) { sinkaddr = hostport(ARG); use_sink = 1; }
        else if (!strcmp(o, "--concurrency")) concurrency = atoi(ARG);
        else if (!strcmp(o, "--per-conn")) perconn = atoi(ARG);
        else if (!strcmp(o, "--messages")) nmsg = atol(ARG);
        else if (!strcmp(o, "--accepted")) naccept = atol(ARG);
        else if (!strcmp(o, "--seconds")) seconds = atof(ARG);
        else if (!strcmp(o, "--rate")) rate = atof(ARG);
        else if (!strcmp(o, "--idle-timeout")) idle_timeout = atof(ARG);
        else if (!strcmp(o, "--id-base")) idbase = atol(ARG);
        else if (!strcmp(o, "--linger")) linger = atof(ARG);
        else if (!strcmp(o, "--every")) every = atof(ARG);
        else if (!strcmp(o, "--sink-waits")) sink_waits = 1;
        else if (!strcmp(o, "--pipelining")) pipelining = 1;
        else if (!strcmp(o, "--source-addrs")) srcaddrs = atoi(ARG);
        else if (!strcmp(o, "--source-net")) { struct in_addr a; if (!inet_aton(ARG, &a)) { fprintf(stderr, "an address is wanted\n"); return 2; } srcnet = ntohl(a.s_addr); }
        else if (!strcmp(o, "--rcpt")) rcpt = ARG;
        else if (!strcmp(o, "--from")) sender = ARG;
        else if (!strcmp(o, "--template")) load_tpl(ARG);
        else { fprintf(stderr, "unknown option %s\n", o); return 2; }
    }
    if (!nmsg && !naccept && !seconds) nmsg = 1000;
    if (idbase < 0) idbase = 10000000L + (long)((unsigned long)(now() * 1e6) * 2654435761ul % 80000000ul);
    if (!ntpl || !target.sin_port) { fprintf(stderr, "--target and --template are needed\n"); return 2; }
    if ((ntohl(target.sin_addr.s_addr) >> 24) != 127) srcaddrs = 0;
    signal(SIGPIPE, SIG_IGN);
    struct rlimit rl; getrlimit(RLIMIT_NOFILE, &rl); rl.rlim_cur = rl.rlim_max; setrlimit(RLIMIT_NOFILE, &rl);
    t_start = calloc(MAXID, 8); t_dot = calloc(MAXID, 8); t_acc = calloc(MAXID, 8); t_arr = calloc(MAXID, 8);
    m_tpl = calloc(MAXID, sizeof *m_tpl); m_state = calloc(MAXID, 1); m_narr = calloc(MAXID, 1);
    pthread_t th, pth;
    if (every > 0) pthread_create(&pth, NULL, progress_main, NULL);
    if (use_sink && !sink_waits) { t_sink = now(); pthread_create(&th, NULL, sink_main, NULL); usleep(50000); }
    source_main();
    if (use_sink && sink_waits) {
        char line[64];
        fprintf(stderr, "{\"loaded\": %ld, \"accept_rate\": %.1f}\n", n_accepted, n_accepted / (t_last_acc - t0));
        if (!fgets(line, sizeof line, stdin)) { fprintf(stderr, "nobody told the sink to start\n"); return 2; }
        t_sink = now(); pthread_create(&th, NULL, sink_main, NULL); usleep(50000);
    }
    long cnt[6] = {0}, clean_acc = 0, inf_acc = 0, inf_rej = 0, inf_sent = 0, clean_rej = 0;
    for (long i = 0; i < next_id; i++) {
        cnt[m_state[i]]++;
        int inf = tpls[m_tpl[i]].infected; inf_sent += inf;
        if (m_state[i] == 2) { if (inf) inf_acc++; else clean_acc++; }
        if (m_state[i] == 3) { if (inf) inf_rej++; else clean_rej++; }
    }
    double t_src = now();
    while (use_sink && n_arrived < clean_acc) {
        double last = t_last_arr > t_src ? t_last_arr : t_src;
        if (now() - last > idle_timeout) break;
        usleep(1000);
    }
    if (use_sink && linger > 0) usleep((useconds_t)(linger * 1e6));
    stop_progress = 1;
    if (every > 0) pthread_join(pth, NULL);
    if (use_sink) { if (inf_acc) usleep(200000); stop_sink = 1; pthread_join(th, NULL); }
    double end = use_sink && t_last_arr > 0 ? t_last_arr : t_last_acc;
    double acc_w = t_last_acc - t0, all_w = end - t0;
    double *a = malloc(8 * (next_id + 1)), *d = malloc(8 * (next_id + 1)), *e = malloc(8 * (next_id + 1));
    long na = 0, ne = 0; double bytes = 0;
    for (long i = 0; i < next_id; i++) {
        if (m_state[i] == 2) { a[na] = t_acc[i] - t_start[i]; d[na++] = t_acc[i] - t_dot[i]; bytes += tpls[m_tpl[i]].len; }
        if (m_narr[i]) e[ne++] = t_arr[i] - t_start[i];
    }
    printf("{\"sent\": %ld, \"accepted\": %ld, \"rejected_5xx\": %ld, \"tempfail_4xx\": %ld, \"errors\": %ld, ", next_id, cnt[2], cnt[3], cnt[4], cnt[5] + cnt[1]);
    printf("\"infected_sent\": %ld, \"infected_rejected\": %ld, \"infected_accepted\": %ld, \"infected_delivered\": %ld, \"clean_rejected\": %ld, ", inf_sent, inf_rej, inf_acc, n_infected_arrived, clean_rej);
    printf("\"arrived\": %ld, \"missing\": %ld, \"duplicates\": %ld, \"bounces\": %ld, \"unknown\": %ld, ", n_arrived, use_sink ? clean_acc - n_arrived : 0, n_dup, n_bounce, n_unknown);
    printf("\"sessions\": %ld, \"sink_sessions\": %ld, \"conn_errors\": %ld, \"max_open\": %ld, ", n_sessions, n_sink_conns, n_conn_err, started_max);
    if (t_first_arr > 0) printf("\"first_arrival_s\": %.3f, \"arrivals_s\": %.3f, ", t_first_arr - t_sink, t_last_arr - t_first_arr);
    printf("\"accept_s\": %.3f, \"total_s\": %.3f, \"accept_rate\": %.1f, \"rate\": %.1f, \"mb_per_s\": %.2f, ",
           acc_w, all_w, (cnt[2] + cnt[3]) / acc_w, (use_sink ? n_arrived + n_infected_arrived + inf_rej + (inf_acc - n_infected_arrived) : cnt[2] + cnt[3]) / all_w, bytes / all_w / 1e6);
    quant("accept_ms", a, na, ", "); quant("dot_ms", d, na, ", "); quant("e2e_ms", e, ne, ", ");
    printf("\"source_cpu_s\": %.3f, \"sink_cpu_s\": %.3f}\n", src_cpu, sink_cpu);
    return 0;
}
