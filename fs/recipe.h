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
 * may be NULL where only the ingredients matter. */
FsRecipe *fs_recipe_new(const char *section, MailPart *root, const MailEnvelope *envelope);
void fs_recipe_free(FsRecipe *recipe);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FsRecipe, fs_recipe_free)
