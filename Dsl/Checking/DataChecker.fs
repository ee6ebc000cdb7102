/// Matches a network's inputs with those of a data set.
module internal CnnCluster.Dsl.Checking.DataChecker

open CnnCluster.Dsl
open CnnCluster.Dsl.Checking.Scope

let inputNames (data: DataSetEntry) =
    data.Inputs |> Seq.map _.Name |> List.ofSeq

/// The input of a data set that one of a network's takes: the one of its name, else the one of its number.
let private sourceFor (data: DataSetEntry) (name: string) number =
    match data.Inputs |> Seq.tryFindIndex (fun input -> input.Name = name) with
    | Some source -> Some source
    | None when number < data.Inputs.Count -> Some number
    | None -> None

/// The shape that a network's input takes from a data set's samples.
let sampleFor (data: DataSetEntry) name number =
    sourceFor data name number
    |> Option.map (fun source -> data.Inputs[source].Shape)

let private single (network: NetworkPlan) (data: DataSetEntry) =
    network.Inputs.Length = 1 && data.Inputs.Count = 1

let private checkShape sink span (network: NetworkPlan) (data: DataSetEntry) (input: PlanInput) source =
    let sample = data.Inputs[source]
    let samples, taken = Shape.text sample.Shape, Shape.text input.Shape

    if input.Shape <> sample.Shape then
        if single network data then
            $"the samples of {data.Name} are {samples}, but '{network.Name}' takes {taken}"
        else
            $"'{sample.Name}' of {data.Name} is {samples}, but '{input.Name}' of '{network.Name}' takes {taken}"
        |> fail sink span
        |> ignore

let private refuseSharing sink span (network: NetworkPlan) (data: DataSetEntry) sources =
    for source, inputs in List.zip sources network.Inputs |> List.groupBy fst do
        if inputs.Length > 1 then
            let names = inputs |> List.map (fun (_, input) -> $"'{input.Name}'")

            expected
                sink
                span
                $"""{Suggestion.joined "and" names} would both take '{data.Inputs[source].Name}' of {data.Name}"""
                $"""inputs with the set's names, {Suggestion.joined "and" (inputNames data)}, or all with others"""
            |> ignore

let private warnOfUnused sink span (data: DataSetEntry) sources =
    for source, input in Seq.indexed data.Inputs do
        if not (List.contains source sources) then
            report sink (Diagnostic.warning span $"no input takes '{input.Name}' of {data.Name}")

/// For each of the network's inputs, the data set's that it takes; `None` if there are not enough.
let check sink span (network: NetworkPlan) (data: DataSetEntry) =
    let sources =
        network.Inputs
        |> List.mapi (fun number input -> sourceFor data input.Name number)

    if List.forall Option.isSome sources then
        let sources = List.choose id sources
        List.iter2 (checkShape sink span network data) network.Inputs sources
        refuseSharing sink span network data sources

        if List.distinct sources = sources then
            warnOfUnused sink span data sources

        Some sources
    else
        let names = Suggestion.joined "and" (inputNames data)
        fail sink span $"'{network.Name}' takes {network.Inputs.Length} inputs, but {data.Name} has {names} alone"
