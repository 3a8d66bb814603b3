import { texts } from '../texts';

export function Waiting() {
  return (
    <main className="page">
      <p className="quiet" role="status">
        {texts.loading}
      </p>
    </main>
  );
}
