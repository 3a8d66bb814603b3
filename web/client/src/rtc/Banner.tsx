import { Icon } from '../parts/Icon';
import { texts } from '../texts';

/** Shown while the connection is lost. */
export function ConnectionLostBanner({ onRetry, onLeave }: { onRetry: () => void; onLeave: () => void }) {
  return (
    <div className="banner bad">
      <Icon name="warn" />
      <div>
        <p role="status">
          <b>{texts.banner.lost}</b>
          {texts.banner.lostLead}
        </p>
        <div className="row">
          <button type="button" className="btn" onClick={onRetry}>
            {texts.banner.retry}
          </button>
          <button type="button" className="btn bare" onClick={onLeave}>
            {texts.banner.leave}
          </button>
        </div>
      </div>
    </div>
  );
}

export function ConnectionBackBanner() {
  return (
    <div className="banner good">
      <Icon name="check" />
      <p role="status">
        <b>{texts.banner.back}</b>
        {texts.banner.backLead}
      </p>
    </div>
  );
}
