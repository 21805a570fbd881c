/* SPDX-License-Identifier: MIT */
/* fs/xattr.c - user.mail.* and user.xdg.tags of messages. */
#include <errno.h>
#include <string.h>
#include <sys/xattr.h>

#include "fs/private.h"

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

static const struct {
    const char *name;
    XattrFunc text;
    MailEnvelopeField field;
} xattrs[] = {
    {"user.mail.uid", uid_text, 0},
    {"user.mail.flags", flags_text, 0},
    {"user.mail.keywords", keywords_text, 0},
    {"user.mail.from", envelope_text, MAIL_ENVELOPE_FROM},
    {"user.mail.to", envelope_text, MAIL_ENVELOPE_TO},
    {"user.mail.subject", envelope_text, MAIL_ENVELOPE_SUBJECT},
    {"user.mail.message-id", envelope_text, MAIL_ENVELOPE_MESSAGE_ID},
    {"user.mail.date", envelope_text, MAIL_ENVELOPE_DATE},
    {"user.xdg.tags", tags_text, 0},
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
