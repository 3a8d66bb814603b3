import { ApiError, type SessionEntry } from './api';
import { texts } from './texts';

const refusals: Record<NonNullable<SessionEntry['refusal']>, string> = {
  consent_required: texts.failures.consent,
  guardian_consent_required: texts.failures.guardian,
  removed: texts.failures.removed,
  ended: texts.ended,
};
const byCode: Record<string, string> = { ...refusals, livekit_token_failed: texts.failures.media };

/** Why the user is no longer in a session. */
export function explainRefusal(refusal: SessionEntry['refusal']): string {
  return refusal === null ? texts.ended : refusals[refusal];
}

/** What a failed request means, in a sentence for the learner. */
export function explainFailure(error: unknown): string {
  if (!(error instanceof ApiError)) return texts.failures.other;
  const known = byCode[error.code];
  if (known !== undefined) return known;
  switch (error.status) {
    case 0:
      return texts.failures.network;
    case 401:
      return texts.failures.unauthorized;
    case 403:
      return texts.failures.forbidden;
    case 404:
      return texts.failures.notFound;
    case 409:
      return texts.failures.changed;
    case 429:
      return texts.failures.tooMany;
    case 503:
      return texts.failures.unavailable;
    default:
      return texts.failures.other;
  }
}
