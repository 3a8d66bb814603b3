import { followLink } from '../router';
import { texts } from '../texts';

const navLinks = [
  ['/', texts.courses.all],
  ['/transcripts', texts.transcripts.title],
] as const;

export function MainNav({ here }: { here: '/' | '/transcripts' }) {
  return (
    <nav className="where" aria-label={texts.courses.main}>
      {navLinks.map(([path, name], index) => (
        <a
          key={path}
          className={index ? 'gap' : undefined}
          href={path}
          onClick={followLink}
          aria-current={path === here ? 'page' : undefined}
        >
          {path === here ? <b>{name}</b> : name}
        </a>
      ))}
    </nav>
  );
}
