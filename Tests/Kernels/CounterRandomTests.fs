module CnnCluster.Tests.Kernels.CounterRandomTests

open System
open Expecto
open CnnCluster.Kernels
open CnnCluster.Tests.Comparisons

let private block key high low =
    let struct (w0, w1, w2, w3) = CounterRandom.Block(RandomKey key, high, low)
    [ w0; w1; w2; w3 ]

/// From Random123's kat_vectors, the authors' own known answers for philox4x32 with 10 rounds.
let private knownAnswers =
    [ "zeros", 0UL, 0UL, 0UL, [ 0x6627e8d5u; 0xe169c58du; 0xbc57ac4cu; 0x9b00dbd8u ]
      "ones", UInt64.MaxValue, UInt64.MaxValue, UInt64.MaxValue, [ 0x408f276du; 0x41c83b0eu; 0xa20bc7c6u; 0x6d5451fdu ]
      "digits of pi",
      0x299f31d0a4093822UL,
      0x0370734413198a2eUL,
      0x85a308d3243f6a88UL,
      [ 0xd16cfe09u; 0x94fdccebu; 0x5001e420u; 0x24126ea1u ] ]

let private key = RandomKey.Of(20UL, RandomPurpose.Dropout, "conv1")

let private filled key row length =
    let words = Array.zeroCreate length
    CounterRandom.Fill(key, row, Span words)
    words

let private uniforms key count =
    Array.init count (fun i -> CounterRandom.Uniform(key, 3UL, uint64 i))

/// Pearson's statistic of counts that should be equal.
let private chiSquare (counts: int[]) =
    let expected = float (Array.sum counts) / float counts.Length
    counts |> Array.sumBy (fun n -> (float n - expected) ** 2.0 / expected)

let private correlation xs ys =
    let centred values =
        Array.map (fun v -> v - Array.average values) values

    let x, y = centred xs, centred ys

    let dot a b =
        Array.fold2 (fun sum p q -> sum + p * q) 0.0 a b

    dot x y / sqrt (dot x x * dot y y)

let private count = 200_000

[<Tests>]
let tests =
    testList
        "Kernels.CounterRandom"
        [ for name, key, high, low, answer in knownAnswers do
              test $"a block of {name} is the published one" {
                  Expect.equal (block key high low) answer "Philox4x32-10"
              }
          test "filling gives the words of the row's blocks in order" {
              let expected = [ for low in 0UL .. 24UL -> block key.Value 5UL low ] |> List.concat
              Expect.sequenceEqual (filled key 5UL 100) expected "element e is word e mod 4 of block e div 4"
          }
          testProperty
              "the vectors' words are the plain reference's, at any length and row"
              (fun (key: uint64) row (size: uint16) ->
                  let length = int size % 400
                  let plain = Array.zeroCreate length
                  CounterRandom.FillFrom(RandomKey key, row, 0, Span plain)
                  filled (RandomKey key) row length = plain)
          test "uniform numbers have the moments of [0, 1)" {
              let numbers = uniforms key count
              Expect.isTrue (numbers |> Array.forall (fun u -> u >= 0.0 && u < 1.0)) "in range"
              Expect.floatClose { absolute = 0.003; relative = 0.0 } (Array.average numbers) 0.5 "mean"
              let square = numbers |> Array.averageBy (fun u -> u * u)
              Expect.floatClose { absolute = 0.003; relative = 0.0 } square (1.0 / 3.0) "second moment"
          }
          test "uniform numbers fall evenly into 100 classes" {
              let counts = Array.zeroCreate 100

              for u in uniforms key count do
                  counts[int (u * 100.0)] <- counts[int (u * 100.0)] + 1

              // The 99.9 % point of 99 degrees of freedom is 148.2.
              Expect.isLessThan (chiSquare counts) 148.2 "chi-square"
          }
          test "every bit of a filled row is set half of the time" {
              let words = filled key 9UL count

              for bit in 0..31 do
                  let set = words |> Array.sumBy (fun w -> int (w >>> bit) &&& 1)
                  Expect.floatClose { absolute = 0.005; relative = 0.0 } (float set / float count) 0.5 $"bit {bit}"
          }
          test "normal numbers have the normal distribution's moments" {
              let numbers = Array.init count (fun i -> CounterRandom.Normal(key, 1UL, uint64 i))

              for power, moment, tolerance in [ 1, 0.0, 0.01; 2, 1.0, 0.015; 3, 0.0, 0.04; 4, 3.0, 0.12 ] do
                  let measured = numbers |> Array.averageBy (fun z -> pown z power)
                  Expect.floatClose { absolute = tolerance; relative = 0.0 } measured moment $"moment {power}"
          }
          test "normal numbers fall into the quartiles of the normal distribution" {
              let counts = Array.zeroCreate 4

              for i in 0 .. count - 1 do
                  let z = CounterRandom.Normal(key, 2UL, uint64 i)

                  let quartile =
                      Seq.length (Seq.filter (fun q -> z > q) [ -0.6744897501960817; 0.0; 0.6744897501960817 ])

                  counts[quartile] <- counts[quartile] + 1

              // The 99.9 % point of 3 degrees of freedom is 16.3.
              Expect.isLessThan (chiSquare counts) 16.3 "chi-square"
          }
          for size in [ 0; 1; 2; 1000 ] do
              test $"a permutation of {size} holds each number once" {
                  let order = CounterRandom.Permutation(key, 4UL, size)
                  Expect.sequenceEqual (Array.sort order) (seq { 0 .. size - 1 }) "every number"
              }
          test "all orders of three are equally likely" {
              let orders =
                  [| for row in 0UL .. 5999UL -> CounterRandom.Permutation(key, row, 3) |]

              let counts = orders |> Array.countBy List.ofArray |> Array.map snd
              Expect.equal counts.Length 6 "every order"
              // The 99.9 % point of 5 degrees of freedom is 20.5.
              Expect.isLessThan (chiSquare counts) 20.5 "chi-square"
          }
          test "purposes, streams and seeds give unrelated numbers" {
              let keys =
                  [| for purpose in Enum.GetValues<RandomPurpose>() do
                         for stream in [ ""; "conv1"; "conv2" ] do
                             for seed in [ 0UL; 1UL ] -> RandomKey.Of(seed, purpose, stream) |]

              Expect.equal (Array.distinct keys).Length keys.Length "no two keys are the same"

              for first, second in keys |> Array.map (fun key -> uniforms key 3000) |> Array.pairwise do
                  // Five standard deviations of a correlation over 3,000 pairs.
                  Expect.isLessThan (abs (correlation first second)) (5.0 / sqrt 3000.0) "uncorrelated"
          }
          test "a key and a place always give the same number" {
              Expect.equal (uniforms key 10) (uniforms (RandomKey.Of(20UL, RandomPurpose.Dropout, "conv1")) 10) "pure"
          }
          test "rows of different steps and samples differ" {
              let rows =
                  [ for step in 0L .. 20L do
                        for sample in 0L .. 20L -> CounterRandom.Row(step, sample) ]

              Expect.equal (List.distinct rows).Length rows.Length "no row twice"
          } ]
