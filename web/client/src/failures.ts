import { ApiError } from './api';
import { texts } from './texts';

/** What a failed request means, in a sentence for the learner. */
export function explainFailure(error: unknown): string {
  if (!(error instanceof ApiError)) return texts.failures.other;
  switch (error.code) {
    case 'consent_required':
      return texts.failures.consent;
    case 'guardian_consent_required':
      return texts.failures.guardian;
    case 'removed':
      return texts.failures.removed;
    case 'livekit_token_failed':
      return texts.failures.media;
  }
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
