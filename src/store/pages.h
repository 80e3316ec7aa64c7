// Lists, page by page, all of one state.
#pragma once

#include "base/result.h"
#include "store/history.h"
#include "store/state.h"
#include "store/store.h"

namespace tidemill::store {

// The next page. The first is of the state now; a continue token names the state of the first, and
// what has changed since is taken back from history. Errors: invalid, expired.
base::Result<ListPage> list_page(const State& state, const History& history, const Query& query,
                                 const ListOptions& options);

}  // namespace tidemill::store
