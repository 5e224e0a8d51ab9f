use heddle_scheduler::*;
use std::time::*;
fn ns(t: Instant, n: usize) -> f64 { t.elapsed().as_nanos() as f64 / n as f64 }
fn fib(f: &mut Fork, n: u32) -> u64 { if n < 2 { n as u64 } else { let (a,b)=f.join(|f| fib(f,n-1), |f| fib(f,n-2)); a+b } }
fn sfib(n: u32) -> u64 { if n < 2 { n as u64 } else { sfib(std::hint::black_box(n-1))+sfib(n-2) } }
fn sky(n: usize, d: u32) -> usize { if d == 0 { n } else { let hs: Vec<_> = (0..10).map(|i| go(move || sky(n*10+i, d-1))).collect(); hs.into_iter().map(|h| h.join().unwrap()).sum() } }
fn main() {
  let w: usize = std::env::args().nth(1).map_or(1, |s| s.parse().unwrap());
  let s = Scheduler::builder().workers(w).build().unwrap();
  for _ in 0..3 {
  let n = 200_000;
  println!("spawn_inside   {:.1}", s.run(move || { let t=Instant::now(); let hs: Vec<_> = (0..n).map(|i| go(move || i)).collect(); let mut x=0; for h in hs { x+=h.join().unwrap(); } assert!(x>0); ns(t,n) }));
  println!("spawn_inside x100 {:.1}", s.run(move || { let t=Instant::now(); for _ in 0..n/100 { let hs: Vec<_> = (0..100).map(|i| go(move || i)).collect(); let mut x=0; for h in hs { x+=h.join().unwrap(); } assert!(x>0);} ns(t,n) }));
  println!("spawn_one      {:.1}", s.run(move || { let t=Instant::now(); for i in 0..n { go(move || i).join().unwrap(); } ns(t,n) }));
  { let t=Instant::now(); let hs: Vec<_> = (0..n).map(|i| s.go(move || i)).collect(); for h in hs { h.join().unwrap(); } println!("spawn_outside  {:.1}", ns(t,n)); }
  println!("yield2         {:.1}", s.run(move || { let h = go(move || for _ in 0..n { yield_now() }); let t=Instant::now(); for _ in 0..n { yield_now() } let r = ns(t,2*n); h.join().unwrap(); r }));
  println!("yield1000      {:.1}", s.run(move || { let t=Instant::now(); let hs: Vec<_> = (0..1000).map(|_| go(move || for _ in 0..n/1000*10 { yield_now() })).collect(); for h in hs { h.join().unwrap(); } ns(t,n*10) }));
  println!("handoff        {:.1}", s.run(move || {
     use suspend::*; use std::sync::*;
     let a = Resumer::current(); let slot = Arc::new(Mutex::new(None)); let sl = slot.clone();
     let h = go(move || { *sl.lock().unwrap() = Some(Resumer::current()); for _ in 0..n+1 { suspend().unwrap(); a.resume(); } });
     while slot.lock().unwrap().is_none() { yield_now() }
     let b = slot.lock().unwrap().take().unwrap();
     b.resume(); suspend().unwrap();
     let t=Instant::now(); for _ in 0..n { b.resume(); suspend().unwrap(); } let r = ns(t,n); h.join().unwrap(); r }));
  println!("fib32 per fork {:.2}", s.run(move || { let t=Instant::now(); let (r, _) = join(|f| fib(f,32), |_| ()); assert_eq!(r, 2178309); ns(t,3524577) }));
  let t=Instant::now(); assert_eq!(sfib(std::hint::black_box(32)),2178309); println!("serial fib {:.2}", ns(t,3524577));
  let t=Instant::now(); let r = s.run(|| sky(0,6)); assert_eq!(r, 499999500000); println!("skynet ms {:.1}", t.elapsed().as_secs_f64()*1e3);
  }
  println!("{}", s.stats());
}
