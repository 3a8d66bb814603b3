import { explainFailure } from '../failures';
import type { Loaded } from '../useLoaded';
import { texts } from '../texts';

/** Shown instead of content that is loading or failed to load. */
export function LoadTrouble({ loaded }: { loaded: Loaded<unknown> }) {
  switch (loaded.state) {
    case 'ready':
      return null;
    case 'loading':
      return (
        <p className="quiet" role="status">
          {texts.loading}
        </p>
      );
    case 'failed':
      return (
        <p className="trouble" role="alert">
          {explainFailure(loaded.error)}
        </p>
      );
  }
}
