/// Layers that make one value of several: element by element, or channel after channel.
module internal CnnCluster.Dsl.Layers.Merge

open TorchSharp
open CnnCluster.Kernels
open CnnCluster.Dsl

let private shapes (site: LayerSite) = site.Inputs |> List.map _.Shape

let private listed shapes =
    shapes |> List.map Shape.text |> List.distinct |> Suggestion.joined "and"

let private fieldOf (site: LayerSite) =
    site.Inputs |> List.map _.Field |> ReceptiveField.union

/// One side of the result: equal sides, or 1, which is repeated. Open sides agree with open ones only.
let private commonSide (a: int option) b =
    match a, b with
    | a, b when a = b -> Some a
    | Some 1, other
    | other, Some 1 -> Some other
    | _ -> None

let private common (a: Shape) (b: Shape) =
    if a.Rank <> b.Rank then
        None
    else
        match commonSide (Some a.Channels) (Some b.Channels), List.map2 commonSide a.Sides b.Sides with
        | Some channels, sides when sides |> List.forall Option.isSome ->
            Some
                { Channels = channels.Value
                  Sides = List.map Option.get sides }
        | _ -> None

let private planElementwise name adapt (operation: Tensor -> Tensor -> Tensor) finish (site: LayerSite) =
    let merged =
        (Some site.Input, shapes site)
        ||> List.fold (fun merged shape -> merged |> Option.bind (common shape))

    match merged with
    | None ->
        Result.Error
            { Argument = None
              Message = $"'{name}' takes values of one shape; here they are {listed (shapes site)}"
              Expected = Some "equal sides and channels, or 1, which is repeated" }
    | Some output ->
        let forward (call: LayerCall) =
            let mutable merged = call.Inputs[0]

            for i in 1 .. call.Inputs.Length - 1 do
                merged <- operation merged call.Inputs[i]

            finish call.Inputs.Length merged

        Ok(LayerPlan.stateless output (fieldOf site) forward |> adapt)

let private elementwise name summary formula adapt operation finish =
    { Name = name
      Help =
        { LayerHelp.create
              summary
              "the operands' shape; a side or a number of channels of 1 is repeated"
              $"input 8x8x4 as start; conv 4 3 pad=same; {name} start here relu; {name} {{ conv 4 1 }} {{ }}" with
            Formula = formula }
      Arguments = []
      Operands = Several
      Ranks = [ 0; 1; 2; 3 ]
      Plan = planElementwise name adapt operation finish }

let private plainly name summary formula adapt operation =
    elementwise name summary formula adapt operation (fun _ x -> x)

let private plus (a: torch.Tensor) (b: torch.Tensor) = a.Plus b

let private minus (a: torch.Tensor) (b: torch.Tensor) = a.add (b, Scalars.Of -1.0)

let add =
    plainly "add" "The sum of its operands, element by element." "y = a + b + …" LayerPlan.rectifiedInPlace plus

let subtract =
    plainly "subtract" "The first operand less the others, element by element." "y = a − b − …" id minus

let multiply =
    plainly "multiply" "The product of its operands, element by element." "y = a·b·…" id (fun a b -> a * b)

let average =
    elementwise
        "average"
        "The mean of its operands, element by element."
        "y = (a + b + …) / count"
        LayerPlan.averaging
        plus
        (fun count x -> x / Scalars.Of(float count))

let maximum =
    plainly
        "maximum"
        "The greatest of its operands, element by element."
        "y = max(a, b, …)"
        LayerPlan.keeping
        (fun a b -> a.maximum b)

let minimum =
    plainly "minimum" "The least of its operands, element by element." "y = min(a, b, …)" LayerPlan.keeping (fun a b ->
        a.minimum b)

let private planConcat (site: LayerSite) =
    let all = shapes site
    let channels = all |> List.sumBy (fun shape -> int64 shape.Channels)

    if all |> List.exists (fun shape -> shape.Sides <> site.Input.Sides) then
        Result.Error
            { Argument = None
              Message = $"'concat' joins values of equal sides; here they are {listed all}"
              Expected = Some "equal sides: 'crop', 'zeropad' or a stride can make them so" }
    elif channels > int64 System.Int32.MaxValue then
        LayerFault.whole $"'concat' would make {channels} channels"
    else
        let output =
            { site.Input with
                Channels = int channels }

        Ok(
            LayerPlan.stateless output (fieldOf site) (fun call -> torch.cat (call.Inputs, 1L))
            |> LayerPlan.keeping
        )

let concat =
    { Name = "concat"
      Help =
        LayerHelp.create
            "The channels of its operands, one after the other; of vectors, their features."
            "equal sides; the sum of the channels"
            "input 8x8x4 as start; concat start { conv 8 3 pad=same } { maxpool 3 stride=1 pad=1 }"
      Arguments = []
      Operands = Several
      Ranks = [ 0; 1; 2; 3 ]
      Plan = planConcat }

let all = [ add; subtract; multiply; average; maximum; minimum; concat ]
