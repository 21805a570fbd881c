/* SPDX-License-Identifier: MIT */
/* fs/recipe.h - of what a section is made that is made here. */
#pragma once

#include "mime/mime.h"

/* A section of the message, and what becomes of it. */
typedef struct {
    char *section;
    gboolean is_header; /* its main lines; else it is part @nth in @form */
    guint nth;
    MimeForm form;
} FsIngredient;

typedef struct {
    GByteArray *before;
    GArray *ingredients; /* FsIngredient */
    GByteArray *after;
    gboolean is_spaced; /* an empty line between all of these */
} FsRecipe;

/* For @section of the message whose tree is @root; NULL when there is no such section.  @envelope
 * may be NULL when it is not known. */
FsRecipe *fs_recipe_new(const char *section, MailPart *root, const MailEnvelope *envelope);
void fs_recipe_free(FsRecipe *recipe);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FsRecipe, fs_recipe_free)

/* Told the section of an ingredient. */
typedef void (*FsSourceFunc)(const char *section, gpointer data);

/* Calls @func for each ingredient of @section, if that is one, without going into how it is made.
 */
void fs_recipe_foreach_source(MailPart *root, const char *section, FsSourceFunc func,
                              gpointer data);
