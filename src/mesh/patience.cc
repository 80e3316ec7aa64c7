#include "mesh/patience.h"

#include <algorithm>

namespace tidemill::mesh {

bool RetryBudget::take(base::Instant now) {
    constexpr double tokens_max = 100;
    constexpr double tokens_per_second = 10;
    const std::chrono::duration<double> passed = now - filled;
    tokens = std::min(tokens_max, tokens + passed.count() * tokens_per_second);
    filled = now;
    if (tokens < 1) {
        return false;
    }
    tokens -= 1;
    return true;
}

bool may_retry(const FailedAttempt& attempt, std::uint32_t attempts_max, RetryBudget& budget,
               base::Instant now) {
    if (attempt.stage == FailedAttempt::Stage::connect) {
        return true;
    }
    if (attempt.stage == FailedAttempt::Stage::within_answer ||
        attempt.copy == FailedAttempt::Copy::lost || attempt.attempts >= attempts_max) {
        return false;
    }
    if (attempt.bytes_sent > 0 && attempt.effect == FailedAttempt::Effect::may_change) {
        return false;
    }
    return attempt.attempts == 1 || budget.take(now);
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
