module CnnCluster.Tests.Kernels.Optimization.ReductionsTests

open System
open Expecto
open TorchSharp
open CnnCluster.Kernels.Optimization
open CnnCluster.Tests.Comparisons

let private factors = Coefficients<float>(0.75, 0.5, -1.25, 0.0, 0.0, 0.0)

let private x = Array.init 1000 (fun i -> sin (float i) * 10.0 ** float (i % 7 - 3))
let private y = Array.init 1000 (fun i -> cos (float i * 1.7))

let private term i =
    0.75 * x[i] + 0.5 * float (sign y[i]) - 1.25 * y[i]

/// The sums of the accumulators, by vectors of 512 and of 256 bits.
let private accumulators (x: 'T[]) (y: 'T[]) =
    let wide, narrow = Array.zeroCreate<float> 32, Array.zeroCreate<float> 32
    let whole = ReadOnlySpan(x, 0, 992)

    let wideFactors = factors.To(fun k -> Vector512Lane<'T>.Broadcast k)
    let narrowFactors = factors.To(fun k -> Vector256Lane<'T>.Broadcast k)
    Reductions.AddWide<RegularizedSquare, 'T>(whole, ReadOnlySpan y, &wideFactors, wide)
    Reductions.AddNarrow<RegularizedSquare, 'T>(whole, ReadOnlySpan y, &narrowFactors, narrow)
    wide, narrow

let private bits (values: float[]) =
    values |> Array.map BitConverter.DoubleToInt64Bits

let private finds (one: 'T) (odd: 'T list) =
    for length in 0..70 do
        let values = Array.create length one
        Expect.isTrue (Reductions.AreFinite(ReadOnlySpan values)) $"{length} finite elements"

        for place in 0 .. length - 1 do
            for value in odd do
                values[place] <- value
                Expect.isFalse (Reductions.AreFinite(ReadOnlySpan values)) $"{value} at {place} of {length}"
                values[place] <- one

[<Tests>]
let tests =
    testList
        "Kernels.Reductions"
        [ test "vectors of 512 and of 256 bits add up to the same bits" {
              for wide, narrow in [ accumulators x y; accumulators (Array.map float32 x) (Array.map float32 y) ] do
                  Expect.equal (bits narrow) (bits wide) "each accumulator"
                  Expect.isGreaterThan (Array.sum wide) 0.0 "something was added"
          }
          for length in [ 0; 1; 15; 31; 32; 33; 63; 64; 97; 1000 ] do
              test $"the sum over {length} elements is that of its terms" {
                  let expected = Seq.sumBy (fun i -> term i * term i) (seq { 0 .. length - 1 })

                  let factors = factors

                  let sum =
                      Reductions.Sum<RegularizedSquare, float>(ReadOnlySpan(x, 0, length), ReadOnlySpan y, &factors)

                  Expect.floatClose { absolute = 0.0; relative = 1e-13 } sum expected "squares"

                  let magnitude =
                      Reductions.Sum<Magnitude, float>(ReadOnlySpan(x, 0, length), ReadOnlySpan(), &factors)

                  Expect.floatClose
                      { absolute = 0.0; relative = 1e-13 }
                      magnitude
                      (Seq.sumBy abs (Seq.truncate length x))
                      "magnitudes"
              }
          test "tensor operations come to the same, in either type" {
              for dtype in [ torch.ScalarType.Float32; torch.ScalarType.Float64 ] do
                  let factors = factors
                  use x' = (torch.tensor x).``to``(dtype)
                  use y' = (torch.tensor y).``to``(dtype)
                  let squares = Seq.sumBy (fun i -> term i * term i) (seq { 0..999 })
                  let close = { absolute = 0.0; relative = 1e-5 }
                  Expect.floatClose close (ArenaSums.TensorSum<RegularizedSquare>(x', y', &factors)) squares "squares"
                  Expect.floatClose close (ArenaSums.TensorSum<Magnitude>(x', y', &factors)) (Seq.sumBy abs x) "|x|"
          }
          test "tensor operations find what is not finite" {
              for odd in [ [ nan; 1.0 ]; [ infinity; 0.0 ]; [ infinity; -infinity ]; [ -infinity; 3.0 ] ] do
                  for dtype in [ torch.ScalarType.Float32; torch.ScalarType.Float64 ] do
                      use values = (torch.tensor (List.toArray odd)).``to``(dtype)
                      Expect.isFalse (ArenaSums.IsFinite values) $"%A{odd}"

              use greatest = torch.tensor [| Single.MaxValue; Single.MaxValue |]
              Expect.isTrue (ArenaSums.IsFinite greatest) "summed in double precision"
          }
          test "a NaN or an infinity is found wherever it is, and the greatest numbers are finite" {
              finds Double.MaxValue [ nan; infinity; -infinity ]
              finds Single.MaxValue [ nanf; infinityf; -infinityf ]
              finds 1e-310 [ nan ]
          } ]
