export default function Page(): string {
  return 'The rest of the application';
}
