#include "mesh/patience.h"

#include <algorithm>

namespace tidemill::mesh {

bool may_retry(const FailedAttempt& attempt, std::uint32_t attempts_max) {
    if (attempt.stage == FailedAttempt::Stage::connect) {
        return true;
    }
    if (attempt.stage == FailedAttempt::Stage::within_answer ||
        attempt.copy == FailedAttempt::Copy::lost || attempt.attempts >= attempts_max) {
        return false;
    }
    if (attempt.bytes_sent == 0) {
        return true;
    }
    return attempt.effect == FailedAttempt::Effect::idempotent &&
           (attempt.connection == FailedAttempt::Connection::reused || attempt.attempts == 1);
}

Patience::Patience(const RevisionRule& rule, base::Instant begun) : idle_(rule.idle_timeout) {
    if (rule.timeout > base::Duration::zero()) {
        end_by_ = begun + rule.timeout;
    }
    if (rule.response_start_timeout > base::Duration::zero()) {
        start_by_ = begun + rule.response_start_timeout;
    }
}

base::Instant Patience::next(base::Instant last_progress) const {
    const auto idle_by =
        idle_ > base::Duration::zero() ? last_progress + idle_ : base::Instant::never();
    return std::min({end_by_, start_by_, idle_by});
}

Patience::Clock Patience::expired(base::Instant now, base::Instant last_progress) const {
    if (end_by_ <= now) {
        return Clock::whole;
    }
    if (start_by_ <= now) {
        return Clock::response_start;
    }
    if (idle_ > base::Duration::zero() && last_progress + idle_ <= now) {
        return Clock::idle;
    }
    return Clock::none;
}

}  // namespace tidemill::mesh
