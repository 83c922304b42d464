#pragma once

#include "Golden.h"

/** Runs all checks; one line each: "ok NAME" or "FAIL NAME: what was seen". */
int RunChecks(const Golden& Goldens);
