module CnnCluster.Tests.Kernels.Arena.FlatBufferTests

open System
open Expecto
open TorchSharp
open CnnCluster.Kernels
open CnnCluster.Kernels.Arena

let private segments =
    [| ArenaSegment("conv1/kernel", [| 2L; 3L |])
       ArenaSegment("conv1/bias", [| 2L |])
       ArenaSegment("scale", [||]) |]

let private filled extra =
    let buffer = new FlatBuffer(segments, torch.ScalarType.Float32, torch.CPU, extra)

    use numbers =
        torch.tensor (Array.init (int (buffer.Whole.numel ())) float32, dtype = torch.ScalarType.Float32)

    buffer.Whole.copy_ numbers |> ignore
    buffer

let private values (tensor: torch.Tensor) =
    use flat = tensor.reshape (-1L)
    flat.data<float32>().ToArray() |> Array.map float

[<Tests>]
let tests =
    testList
        "Kernels.FlatBuffer"
        [ test "segments lie one behind the other, in their shapes, and extras behind them" {
              use buffer = filled 2L
              Expect.equal buffer.Length 9L "the segments' elements"

              Expect.equal
                  (buffer.Views |> Seq.map values |> List.ofSeq)
                  [ [| 0.0 .. 5.0 |]; [| 6.0; 7.0 |]; [| 8.0 |] ]
                  "in order"

              Expect.equal [ for view in buffer.Views -> view.shape ] [ [| 2L; 3L |]; [| 2L |]; [||] ] "the shapes"
              Expect.equal (values buffer.Flat) [| 0.0 .. 8.0 |] "without extras"
              Expect.equal (values buffer.Extras) [| 9.0; 10.0 |] "the extras"
          }
          test "a write through a view is seen in the flat buffer, and the other way round" {
              use buffer = filled 0L
              buffer.Views[1].fill_(Scalars.Of -1.0) |> ignore
              Expect.equal (Array.skip 6 (values buffer.Flat)) [| -1.0; -1.0; 8.0 |] "through the view"
              buffer.Whole.zero_ () |> ignore
              Expect.equal (values buffer.Views[2]) [| 0.0 |] "through the whole"
          }
          test "everything starts at zero" {
              use buffer = new FlatBuffer(segments, torch.ScalarType.Float64, torch.CPU, 3L)
              Expect.equal (buffer.Whole.data<float>().ToArray()) (Array.zeroCreate 12) "zeros"
          }
          test "a buffer outlives the dispose scope that it was made in" {
              use buffer = using (torch.NewDisposeScope()) (fun _ -> filled 1L)

              Expect.equal (values buffer.Views[0]) [| 0.0 .. 5.0 |] "alive"
          }
          test "no segments make an empty buffer" {
              use buffer = new FlatBuffer([||], torch.ScalarType.Float32, torch.CPU)
              Expect.equal (buffer.Flat.numel ()) 0L "empty"
          }
          test "a segment too large to count is an error" {
              Expect.throwsT<OverflowException>
                  (fun () -> ArenaSegment("huge", [| Int64.MaxValue; 2L |]) |> ignore)
                  "overflow"
          } ]
