/* SPDX-License-Identifier: MIT */
/* fs/xattr.c - user.mail.* and user.xdg.tags of messages. */
#include <errno.h>
#include <string.h>
#include <sys/xattr.h>

#include "fs/changing.h"

typedef char *(*XattrFunc)(Fs *fs, const CacheMessage *message, const MailEnvelope *envelope,
                           MailEnvelopeField field);

static char *uid_text(Fs *fs, const CacheMessage *message, const MailEnvelope *envelope,
                      MailEnvelopeField field)
{
    return g_strdup_printf("%u", message->uid);
}

static char *join_flags(Fs *fs, MailFlags flags, const char *(*name)(Fs *, MailFlags),
                        const char *gap)
{
    g_autoptr(GString) out = g_string_new(NULL);

    for (guint bit = 0; bit < 64; bit++) {
        MailFlags flag = (MailFlags)1 << bit;
        const char *text = flags & flag ? name(fs, flag) : NULL;

        if (text)
            g_string_append_printf(out, "%s%s", out->len ? gap : "", text);
    }
    return g_string_free(g_steal_pointer(&out), FALSE);
}

static const char *system_flag(Fs *fs, MailFlags flag)
{
    return mail_flag_to_imap(flag);
}

static const char *keyword(Fs *fs, MailFlags flag)
{
    return cache_keyword(fs->cache, flag);
}

static char *flags_text(Fs *fs, const CacheMessage *message, const MailEnvelope *envelope,
                        MailEnvelopeField field)
{
    return join_flags(fs, message->flags, system_flag, " ");
}

static char *keywords_text(Fs *fs, const CacheMessage *message, const MailEnvelope *envelope,
                           MailEnvelopeField field)
{
    return join_flags(fs, message->flags, keyword, " ");
}

/* As Dolphin and Baloo write them. */
static char *tags_text(Fs *fs, const CacheMessage *message, const MailEnvelope *envelope,
                       MailEnvelopeField field)
{
    return join_flags(fs, message->flags, keyword, ",");
}

static char *envelope_text(Fs *fs, const CacheMessage *message, const MailEnvelope *envelope,
                           MailEnvelopeField field)
{
    return g_strdup(mail_envelope_get(envelope, field));
}

#define KEYWORD_MAX  255
#define SYSTEM_FLAGS (((MailFlags)1 << MAIL_FLAG_FIRST_KEYWORD) - 1)

static const struct {
    const char *name;
    XattrFunc text;
    MailEnvelopeField field;
    MailFlags flags; /* that are set by writing it; 0: it cannot be written */
    char gap;        /* between their names */
} xattrs[] = {
    {"user.mail.uid", uid_text, 0, 0, 0},
    {"user.mail.flags", flags_text, 0, SYSTEM_FLAGS, ' '},
    {"user.mail.keywords", keywords_text, 0, ~SYSTEM_FLAGS, ' '},
    {"user.mail.from", envelope_text, MAIL_ENVELOPE_FROM, 0, 0},
    {"user.mail.to", envelope_text, MAIL_ENVELOPE_TO, 0, 0},
    {"user.mail.subject", envelope_text, MAIL_ENVELOPE_SUBJECT, 0, 0},
    {"user.mail.message-id", envelope_text, MAIL_ENVELOPE_MESSAGE_ID, 0, 0},
    {"user.mail.date", envelope_text, MAIL_ENVELOPE_DATE, 0, 0},
    {"user.xdg.tags", tags_text, 0, ~SYSTEM_FLAGS, ','},
};

/* Tells the size when that is asked (size 0), else the bytes. */
static void answer_value(FsRequest *request, const char *value, gsize len)
{
    if (request->size == 0)
        fs_answer_xattr_size(request, len);
    else if (len > request->size)
        fs_answer_error(request, ERANGE);
    else
        fs_answer_bytes(request, value, len);
}

static gssize xattr_find(const char *name)
{
    for (gsize i = 0; i < G_N_ELEMENTS(xattrs); i++)
        if (g_str_equal(xattrs[i].name, name))
            return (gssize)i;
    return -1;
}

void fs_run_getxattr(FsRequest *request)
{
    Fs *fs = request->fs;
    gssize nth = xattr_find(request->name);
    g_autoptr(MailEnvelope) envelope = NULL;
    g_autofree char *text = NULL;
    CacheMessage message;

    /* ls asks each file for security.selinux and its ACL, unless it is told that there is no such
     * thing here. */
    if (!g_str_has_prefix(request->name, "user.")) {
        fs_answer_error(request, EOPNOTSUPP);
        return;
    }
    if (nth < 0 || !fs_node_message(fs, request->node, &message)) {
        fs_answer_error(request, nth >= 0 && fs_node_is_message(request->node) ? ESTALE : ENODATA);
        return;
    }
    envelope = cache_dup_envelope(fs->cache, request->node.number, request->node.uid);
    if (!envelope) {
        fs_answer_error(request, ENODATA);
        return;
    }
    text = xattrs[nth].text(fs, &message, envelope, xattrs[nth].field);
    if (*text)
        answer_value(request, text, strlen(text));
    else
        fs_answer_error(request, ENODATA);
}

void fs_run_listxattr(FsRequest *request)
{
    g_autoptr(GString) names = g_string_new(NULL);
    g_autoptr(MailEnvelope) envelope = NULL;
    CacheMessage message;

    if (fs_node_message(request->fs, request->node, &message)) {
        envelope = cache_dup_envelope(request->fs->cache, request->node.number, request->node.uid);
    } else if (fs_node_is_message(request->node)) {
        fs_answer_error(request, ESTALE);
        return;
    }
    for (gsize i = 0; envelope && i < G_N_ELEMENTS(xattrs); i++) {
        g_autofree char *text = xattrs[i].text(request->fs, &message, envelope, xattrs[i].field);

        if (*text)
            g_string_append_len(names, xattrs[i].name, strlen(xattrs[i].name) + 1);
    }
    answer_value(request, names->str, names->len);
}

/* --- writing --- */

/* An atom (RFC 9051 9), as keywords are. */
static gboolean is_keyword(const char *word)
{
    for (const char *p = word; *p; p++)
        if (*p <= ' ' || *p >= 0x7f || strchr("(){%*\"\\]", *p))
            return FALSE;
    return *word && strlen(word) <= KEYWORD_MAX;
}

/* The words that are between @gaps, new; NULL when one of them is neither a flag nor, where
 * keywords are asked for, one of those. */
static char **parse_words(GBytes *value, char gap, gboolean are_keywords)
{
    const char gaps[] = {gap, '\0'};
    gsize len;
    const char *bytes = g_bytes_get_data(value, &len);
    g_autofree char *text = g_strndup(bytes ? bytes : "", len);
    g_auto(GStrv) words = g_strsplit(text, gaps, -1);
    guint n = 0;

    if (strlen(text) + 1 < len)
        return NULL;
    for (char **word = words; *word; word++) {
        if (!**word)
            g_free(*word);
        else
            words[n++] = *word;
    }
    words[n] = NULL;
    for (char **word = words; *word; word++)
        if (!mail_flag_from_imap(*word, strlen(*word)) && !(are_keywords && is_keyword(*word)))
            return NULL;
    return g_steal_pointer(&words);
}

/* The flags of that name; an errno, or 0. */
static int parse_flags(FsRequest *request, gsize nth, MailFlags *ret_flags)
{
    gboolean are_keywords = xattrs[nth].flags != SYSTEM_FLAGS;
    g_auto(GStrv) words = parse_words(request->bytes, xattrs[nth].gap, are_keywords);
    MailFlags flags = 0;

    if (!words)
        return EINVAL;
    for (char **word = words; *word; word++) {
        MailFlags flag = mail_flag_from_imap(*word, strlen(*word));

        if (!flag)
            flag = cache_keyword_flag(request->fs->cache, *word);
        if (!flag)
            return ENOSPC;
        flags |= flag;
    }
    *ret_flags = flags;
    return 0;
}

/* What cannot be written is copied along, as by rsync -X: that is no error where it changes
 * nothing. */
static int check_same(FsRequest *request, const char *present)
{
    gsize len;
    const char *bytes = request->bytes ? g_bytes_get_data(request->bytes, &len) : NULL;

    return bytes && len == strlen(present) && memcmp(bytes, present, len) == 0 ? 0 : EPERM;
}

/* An errno, or 0. */
static int check_presence(const FsRequest *request, const char *present)
{
    if (*present)
        return request->flags & XATTR_CREATE ? EEXIST : 0;
    return !request->bytes || request->flags & XATTR_REPLACE ? ENODATA : 0;
}

static void set_flags(FsRequest *request, gsize nth, const CacheMessage *message,
                      guint32 generation)
{
    MailFlags flags = 0;
    int code = request->bytes ? parse_flags(request, nth, &flags) : 0;
    CacheAnswer answer;

    if (code) {
        fs_answer_error(request, code);
        return;
    }
    answer =
        cache_change_flags(request->fs->cache, generation, message->uid, flags & ~message->flags,
                           message->flags & ~flags & xattrs[nth].flags, &request->change,
                           &request->want, &request->error);
    if (answer == CACHE_FOUND)
        fs_answer_changed(request);
    else
        fs_conclude(request, answer, ESTALE);
}

static void set_of_message(FsRequest *request, gsize nth)
{
    Fs *fs = request->fs;
    guint32 generation, uid;
    CacheAnswer answer = fs_find_message(request, request->node, &generation, &uid);
    g_autoptr(MailEnvelope) envelope = NULL;
    g_autofree char *present = NULL;
    CacheMessage message;
    int code;

    if (answer == CACHE_FOUND && cache_get_message(fs->cache, generation, uid, &message))
        envelope = cache_dup_envelope(fs->cache, generation, uid);
    if (!envelope) {
        fs_conclude(request, answer == CACHE_FOUND ? CACHE_ABSENT : answer, ESTALE);
        return;
    }
    present = xattrs[nth].text(fs, &message, envelope, xattrs[nth].field);
    code = check_presence(request, present);
    if (!code && !xattrs[nth].flags) {
        fs_answer_error(request, check_same(request, present));
        return;
    }
    if (code)
        fs_answer_error(request, code);
    else
        set_flags(request, nth, &message, generation);
}

void fs_run_change_xattr(FsRequest *request)
{
    gssize nth = xattr_find(request->name);
    gboolean is_draft =
        request->node.kind == FS_KIND_NEW && !cache_change(request->fs->cache, request->node.uid);

    if (request->change)
        fs_answer_changed(request);
    else if (!fs_is_writable(request->fs, request->node))
        fs_answer_error(request, EROFS);
    else if (nth < 0 || !fs_is_mail(request->node) || (is_draft && xattrs[nth].flags))
        fs_answer_error(request, EOPNOTSUPP);
    else if (is_draft)
        /* It will be what the message says. */
        fs_answer_error(request, 0);
    else
        set_of_message(request, (gsize)nth);
}
