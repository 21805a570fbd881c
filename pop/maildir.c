/* SPDX-License-Identifier: MIT */
/* pop/maildir.c - three Maildirs as files. */
#include "pop/maildir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define N_SUBS       3
#define TAIL         ".mailfs"
#define STALE_S      (36 * 3600) /* what the rules for Maildirs allow a delivery */
#define SETTLED_S    2           /* more than the clock of any file system is coarse */
#define READ_SIZE    65536
#define FIRST_PLACE  POP_PLACE_INBOX
#define LAST_PLACE   POP_PLACE_TRASH
#define INFO         ":2,"
#define OPEN_DIR     (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
#define OPEN_TO_READ (O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)

struct PopMaildir {
    int lock_fd; /* its top */
    int fds[POP_N_PLACES][N_SUBS];
};

static const char *const sub_names[N_SUBS] = {
    [POP_NEW] = "new", [POP_CUR] = "cur", [POP_TMP] = "tmp"};

static const char *const place_names[POP_N_PLACES] = {
    [POP_PLACE_INBOX] = ".",
    [POP_PLACE_READ] = ".Read",
    [POP_PLACE_TRASH] = ".Trash",
};

void pop_maildir_fail(GError **error, int errsv, const char *doing, const char *name)
{
    g_autofree char *printable = g_strescape(name, NULL);
    MailError code = errsv == ENOENT ? MAIL_ERROR_NOT_FOUND : mail_error_of_disk(errsv);

    g_set_error(error, MAIL_ERROR, code, "%s %s: %s", doing, printable, g_strerror(errsv));
}

/* --- opening --- */

static int make_dir(int parent, const char *name, GError **error)
{
    int fd = -1;

    if (mkdirat(parent, name, 0700) == 0 || errno == EEXIST)
        fd = openat(parent, name, OPEN_DIR);
    if (fd < 0)
        pop_maildir_fail(error, errno, "open the Maildir", name);
    return fd;
}

static gboolean lock(int fd, const char *path, GError **error)
{
    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        return TRUE;
    g_set_error(error, MAIL_ERROR, MAIL_ERROR_LOCAL, "open the spool %s: %s", path,
                errno == EWOULDBLOCK ? "another mailfs has it open" : g_strerror(errno));
    return FALSE;
}

/* A directory that was made is there after a crash. */
static gboolean open_place(PopMaildir *maildir, PopPlace place, GError **error)
{
    int top = make_dir(maildir->lock_fd, place_names[place], error);
    gboolean is_ok = top >= 0;

    for (int sub = 0; is_ok && sub < N_SUBS; sub++) {
        maildir->fds[place][sub] = make_dir(top, sub_names[sub], error);
        is_ok = maildir->fds[place][sub] >= 0;
    }
    if (is_ok && fsync(top) < 0) {
        pop_maildir_fail(error, errno, "sync", place_names[place]);
        is_ok = FALSE;
    }
    if (top >= 0)
        close(top);
    return is_ok;
}

PopMaildir *pop_maildir_open(const char *path, GError **error)
{
    g_autoptr(PopMaildir) maildir = g_new0(PopMaildir, 1);

    memset(maildir->fds, -1, sizeof maildir->fds);
    maildir->lock_fd = make_dir(AT_FDCWD, path, error);
    if (maildir->lock_fd < 0 || !lock(maildir->lock_fd, path, error))
        return NULL;
    for (PopPlace place = FIRST_PLACE; place <= LAST_PLACE; place++)
        if (!open_place(maildir, place, error))
            return NULL;
    if (fsync(maildir->lock_fd) < 0) {
        pop_maildir_fail(error, errno, "sync", path);
        return NULL;
    }
    return g_steal_pointer(&maildir);
}

void pop_maildir_close(PopMaildir *maildir)
{
    if (!maildir)
        return;
    for (PopPlace place = FIRST_PLACE; place <= LAST_PLACE; place++)
        for (int sub = 0; sub < N_SUBS; sub++)
            if (maildir->fds[place][sub] >= 0)
                close(maildir->fds[place][sub]);
    if (maildir->lock_fd >= 0)
        close(maildir->lock_fd);
    g_free(maildir);
}

/* --- names --- */

void pop_file_clear(PopFile *file)
{
    g_free(file->name);
    *file = (PopFile){0};
}

PopFile pop_file_copy(const PopFile *file)
{
    PopFile copy = *file;

    copy.name = g_strdup(file->name);
    return copy;
}

static gsize base_len(const PopFile *file)
{
    return strcspn(file->name, ":");
}

char *pop_file_dup_base(const PopFile *file)
{
    return g_strndup(file->name, base_len(file));
}

char *pop_maildir_stem(guint32 spool, gint64 date)
{
    return g_strdup_printf("%" G_GINT64_FORMAT ".M%08x%08x", MAX(date, 0), spool, g_random_int());
}

static char *with_flags(const char *base, gsize len, PopSub sub, MailFlags flags)
{
    char letters[MAIL_FLAGS_LETTERS_MAX];

    mail_flags_letters(flags, letters);
    if (sub == POP_NEW && !*letters)
        return g_strndup(base, len);
    return g_strdup_printf("%.*s" INFO "%s", (int)len, base, letters);
}

/* The letters after the last ":2,": those that are no flag of ours mean nothing to us. */
static MailFlags parse_flags(const char *name)
{
    const char *info = g_strrstr(name, INFO);
    MailFlags flags = 0, flag;

    for (const char *p = info ? info + strlen(INFO) : ""; g_ascii_isalpha(*p); p++)
        if (mail_flags_from_letters(p, 1, &flag))
            flags |= flag;
    return flags;
}

/* "<date>.M<spool><random>U<number>.mailfs": 8 and 8 hexadecimal digits, a decimal number. */
static void parse_name(PopFile *file)
{
    g_autofree char *base = pop_file_dup_base(file);
    g_auto(GStrv) words = g_strsplit(base, ".", -1);
    guint64 spool, number;
    gint64 date;

    file->flags = parse_flags(file->name);
    if (g_strv_length(words) != 3 || !g_str_equal(words[2], &TAIL[1]) ||
        !g_ascii_string_to_signed(words[0], 10, 0, G_MAXINT64, &date, NULL) ||
        strlen(words[1]) < 19 || words[1][0] != 'M' || words[1][17] != 'U' ||
        !g_ascii_string_to_unsigned(words[1] + 18, 10, 1, POP_NUMBER_MAX - 1, &number, NULL))
        return;
    words[1][9] = '\0';
    if (!g_ascii_string_to_unsigned(words[1] + 1, 16, 0, G_MAXUINT32, &spool, NULL))
        return;
    file->number = (guint32)number;
    file->spool = (guint32)spool;
    file->date = date;
}

PopFile pop_maildir_name(const char *stem, guint32 number, PopPlace place, PopSub sub,
                         MailFlags flags)
{
    g_autofree char *base = g_strdup_printf("%sU%u" TAIL, stem, number);
    PopFile file = {
        .place = place,
        .sub = sub,
        .name = with_flags(base, strlen(base), sub, flags),
    };

    parse_name(&file);
    return file;
}

PopFile pop_maildir_rename(const PopFile *file, PopPlace place, MailFlags flags)
{
    PopFile to = *file;

    to.place = place;
    to.sub = POP_CUR;
    to.flags = flags;
    to.name = with_flags(file->name, base_len(file), POP_CUR, flags);
    return to;
}

/* --- looking --- */

static DIR *open_sub(const PopMaildir *maildir, PopPlace place, PopSub sub)
{
    /* Not a duplicate, which would share the position with others that read. */
    int fd = openat(maildir->fds[place][sub], ".", OPEN_DIR);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;

    if (!dir && fd >= 0)
        close(fd);
    return dir;
}

static gboolean scan_sub(const PopMaildir *maildir, PopPlace place, PopSub sub, GArray *files)
{
    DIR *dir = open_sub(maildir, place, sub);
    const struct dirent *entry;
    int errsv;

    if (!dir)
        return FALSE;
    for (errno = 0; (entry = readdir(dir)); errno = 0) {
        PopFile file = {.place = place, .sub = sub};

        if (*entry->d_name == '.' || (entry->d_type != DT_REG && entry->d_type != DT_UNKNOWN))
            continue;
        file.name = g_strdup(entry->d_name);
        parse_name(&file);
        g_array_append_val(files, file);
    }
    errsv = errno;
    closedir(dir);
    errno = errsv;
    return errsv == 0;
}

static void clear_file(gpointer data)
{
    pop_file_clear(data);
}

GArray *pop_maildir_scan(const PopMaildir *maildir, GError **error)
{
    g_autoptr(GArray) files = g_array_new(FALSE, FALSE, sizeof(PopFile));

    g_array_set_clear_func(files, clear_file);
    for (PopPlace place = FIRST_PLACE; place <= LAST_PLACE; place++)
        for (PopSub sub = POP_NEW; sub < POP_TMP; sub++)
            if (!scan_sub(maildir, place, sub, files)) {
                pop_maildir_fail(error, errno, "read the directory", sub_names[sub]);
                return NULL;
            }
    return g_steal_pointer(&files);
}

/* One that was removed is not empty. */
static gboolean stat_dir(int fd, struct stat *ret_st)
{
    if (fstat(fd, ret_st) < 0)
        return FALSE;
    if (ret_st->st_nlink > 0)
        return TRUE;
    errno = ESTALE;
    return FALSE;
}

gboolean pop_maildir_stamp(const PopMaildir *maildir, PopStamp *ret_stamp, GError **error)
{
    gint64 settled = g_get_real_time() / G_USEC_PER_SEC - SETTLED_S;
    PopStamp stamp = {.is_settled = TRUE};

    for (PopPlace place = FIRST_PLACE; place <= LAST_PLACE; place++)
        for (PopSub sub = POP_NEW; sub < POP_TMP; sub++) {
            struct stat st;

            if (!stat_dir(maildir->fds[place][sub], &st)) {
                pop_maildir_fail(error, errno, "look at the directory", sub_names[sub]);
                return FALSE;
            }
            stamp.times[place][sub] = st.st_mtim;
            stamp.is_settled &= st.st_mtim.tv_sec < settled;
        }
    *ret_stamp = stamp;
    return TRUE;
}

gboolean pop_stamp_equal(const PopStamp *a, const PopStamp *b)
{
    return a->is_settled && memcmp(a->times, b->times, sizeof a->times) == 0;
}

gboolean pop_maildir_find(const PopMaildir *maildir, const PopFile *file, PopFile *ret_file)
{
    g_autoptr(GArray) files = pop_maildir_scan(maildir, NULL);
    gsize len = base_len(file);

    for (guint i = 0; files && i < files->len; i++) {
        const PopFile *other = &g_array_index(files, PopFile, i);

        if (base_len(other) == len && memcmp(other->name, file->name, len) == 0) {
            *ret_file = pop_file_copy(other);
            return TRUE;
        }
    }
    return FALSE;
}

/* --- reading --- */

static int open_regular(const PopMaildir *maildir, const PopFile *file)
{
    int fd = openat(maildir->fds[file->place][file->sub], file->name, OPEN_TO_READ);
    struct stat st;

    if (fd < 0)
        return -1;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
        return fd;
    close(fd);
    errno = EPERM;
    return -1;
}

int pop_maildir_open_file(const PopMaildir *maildir, const PopFile *file, GError **error)
{
    int fd = open_regular(maildir, file);
    PopFile found = {0};

    if (fd < 0 && errno == ENOENT && pop_maildir_find(maildir, file, &found)) {
        fd = open_regular(maildir, &found);
        pop_file_clear(&found);
    }
    if (fd < 0)
        pop_maildir_fail(error, errno, "open", file->name);
    return fd;
}

gboolean pop_maildir_has_file(const PopMaildir *maildir, const PopFile *file, guint64 size)
{
    struct stat st;

    return fstatat(maildir->fds[file->place][file->sub], file->name, &st, AT_SYMLINK_NOFOLLOW) ==
               0 &&
           S_ISREG(st.st_mode) && (guint64)st.st_size == size;
}

static gboolean prove(int fd, PopProof *ret_proof)
{
    g_autoptr(PopHash) hash = pop_hash_new();
    g_autofree guint8 *buffer = g_malloc(READ_SIZE);
    PopProof proof = {0};
    struct stat st;
    ssize_t n;

    while ((n = read(fd, buffer, READ_SIZE)) > 0) {
        pop_hash_add(hash, buffer, (gsize)n);
        proof.size += (guint64)n;
    }
    if (n < 0 || fstat(fd, &st) < 0 || fsync(fd) < 0)
        return FALSE;
    pop_hash_end(hash, proof.hash);
    proof.modified = st.st_mtim.tv_sec;
    *ret_proof = proof;
    return TRUE;
}

gboolean pop_maildir_prove(const PopMaildir *maildir, const PopFile *file, PopProof *ret_proof,
                           GError **error)
{
    int fd = pop_maildir_open_file(maildir, file, error);
    gboolean is_ok;

    if (fd < 0)
        return FALSE;
    is_ok = prove(fd, ret_proof);
    if (!is_ok)
        pop_maildir_fail(error, errno, "read", file->name);
    close(fd);
    return is_ok;
}

/* --- writing --- */

int pop_maildir_create(const PopMaildir *maildir, const char *stem, GError **error)
{
    g_autofree char *name = g_strconcat(stem, TAIL, NULL);
    int fd = openat(maildir->fds[POP_PLACE_INBOX][POP_TMP], name,
                    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

    if (fd < 0)
        pop_maildir_fail(error, errno, "create", name);
    return fd;
}

static gboolean rename_file(int from, const char *old, int to, const char *new, GError **error)
{
    if (renameat2(from, old, to, new, RENAME_NOREPLACE) == 0)
        return TRUE;
    /* A file system that does not know the flag; the name is random. */
    if (errno == EINVAL && renameat(from, old, to, new) == 0)
        return TRUE;
    pop_maildir_fail(error, errno, "move", old);
    return FALSE;
}

gboolean pop_maildir_deliver(const PopMaildir *maildir, const char *stem, const PopFile *to,
                             GError **error)
{
    g_autofree char *name = g_strconcat(stem, TAIL, NULL);

    return rename_file(maildir->fds[POP_PLACE_INBOX][POP_TMP], name,
                       maildir->fds[to->place][to->sub], to->name, error);
}

gboolean pop_maildir_move(const PopMaildir *maildir, const PopFile *from, const PopFile *to,
                          GError **error)
{
    return rename_file(maildir->fds[from->place][from->sub], from->name,
                       maildir->fds[to->place][to->sub], to->name, error);
}

gboolean pop_maildir_remove(const PopMaildir *maildir, const PopFile *file, GError **error)
{
    if (unlinkat(maildir->fds[file->place][file->sub], file->name, 0) == 0)
        return TRUE;
    pop_maildir_fail(error, errno, "remove", file->name);
    return FALSE;
}

void pop_maildir_discard(const PopMaildir *maildir, const char *stem)
{
    g_autofree char *name = g_strconcat(stem, TAIL, NULL);

    /* What stays is swept when the spool is opened. */
    unlinkat(maildir->fds[POP_PLACE_INBOX][POP_TMP], name, 0);
}

gboolean pop_maildir_sync(const PopMaildir *maildir, PopPlace place, PopSub sub, GError **error)
{
    if (fsync(maildir->fds[place][sub]) == 0)
        return TRUE;
    pop_maildir_fail(error, errno, "sync the directory", sub_names[sub]);
    return FALSE;
}

/* --- what deliveries that died have left --- */

static gboolean is_left_over(int fd, const char *name)
{
    gint64 now = g_get_real_time() / G_USEC_PER_SEC;
    struct stat st;

    if (*name == '.' || fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
        return FALSE;
    return g_str_has_suffix(name, TAIL) || (gint64)st.st_mtim.tv_sec < now - STALE_S;
}

void pop_maildir_sweep(const PopMaildir *maildir)
{
    for (PopPlace place = FIRST_PLACE; place <= LAST_PLACE; place++) {
        DIR *dir = open_sub(maildir, place, POP_TMP);
        const struct dirent *entry;

        while (dir && (entry = readdir(dir)))
            if (is_left_over(maildir->fds[place][POP_TMP], entry->d_name))
                unlinkat(maildir->fds[place][POP_TMP], entry->d_name, 0);
        if (dir)
            closedir(dir);
    }
}
