/** For tests: any page in any of its states, without a server. */
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { answerRequest } from './answers';
import { chosenState, states } from './states';
import '../src/styles/tokens.css';
import '../src/styles/bodh.css';
import '../src/styles/pages.css';
import '../src/styles/client.css';

const root = createRoot(document.getElementById('root')!);
if (chosenState === null) {
  root.render(
    <ul className="page" id="bodh-states-entry">
      {Object.keys(states).map((name) => (
        <li key={name}>
          <a href={`/?state=${name}`}>{name}</a>
        </li>
      ))}
    </ul>,
  );
} else {
  const { path, answers = {} } = chosenState;
  window.fetch = (input) => answerRequest(new URL(String(input), window.location.origin), answers);
  window.history.replaceState(null, '', path);
  const { App } = await import('../src/App');
  root.render(
    <StrictMode>
      <App />
    </StrictMode>,
  );
}
