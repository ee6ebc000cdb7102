/// What the rounds of a `repeat` are.
module internal CnnCluster.Dsl.Checking.Repetition

open CnnCluster.Dsl
open CnnCluster.Dsl.Syntax
open CnnCluster.Dsl.Checking.Scope
open CnnCluster.Dsl.Checking.Evaluation

/// More rounds than any network needs are a slip of the hand, and would take all memory.
[<Literal>]
let private MostRounds = 10000L

let private few sink span count =
    if count <= MostRounds then
        Some count
    else
        expected sink span $"a network cannot repeat {count} times" $"{MostRounds} times at most"

let private ranged sink scope (over: Expression) (last: Expression) =
    match whole sink scope -1000000 over, whole sink scope -1000000 last with
    | Some first, Some final ->
        few sink (Span.merge over.Span last.Span) (int64 final - int64 first + 1L)
        |> Option.map (fun _ -> [ for i in first..final -> [ OfNumber(float i) ] ])
    | _ -> None

let private listed sink scope (names: Name list) (over: Expression) =
    match evaluate sink scope over with
    | Some(OfRows [ row ]) when names.Length = 1 ->
        few sink over.Span (int64 row.Length)
        |> Option.map (fun _ -> [ for value in row -> [ value ] ])
    | Some(OfRows rows) when rows |> List.forall (fun row -> row.Length = names.Length) ->
        few sink over.Span (int64 rows.Length) |> Option.map (fun _ -> rows)
    | Some(OfRows _) -> fail sink over.Span $"each row must have {names.Length} entries, one for each name"
    | Some other ->
        expected sink over.Span $"{describe other} is no list" "a list such as [64 3; 128 4], or a range such as 1..4"
    | None -> None

/// The values that the names take in each round; `None` if something is wrong, which is noted.
let rounds sink scope (names: Name list) (over: Expression) (upTo: Expression option) =
    match names, upTo with
    | [], None ->
        whole sink scope 0 over
        |> Option.bind (int64 >> few sink over.Span)
        |> Option.map (fun count -> List.replicate (int count) [])
    | [], Some last -> expected sink last.Span "a range needs a name for its number" "repeat i in 1..4"
    | [ _ ], Some last -> ranged sink scope over last
    | _, Some last -> fail sink last.Span "a range gives one name its values"
    | _, None -> listed sink scope names over
