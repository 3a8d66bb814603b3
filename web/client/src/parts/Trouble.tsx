import { explain } from '../failures';
import type { Loaded } from '../load';
import { texts } from '../texts';

/** Stands where content will be: waiting, or why it did not come. */
export function Trouble({ loaded }: { loaded: Loaded<unknown> }) {
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
          {explain(loaded.error)}
        </p>
      );
  }
}
