/** A passage that an answer is based on. */
export interface Cite {
  passageId: string;
  lessonId: string;
}
